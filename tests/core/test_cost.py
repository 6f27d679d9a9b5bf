"""Facts about jobs, and the costs that steps estimate from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from odc.geo.geobox import GeoBox

from iota2.chains.classification import CLASSIFICATION
from iota2.chains.load import load_config
from iota2.chains.obia import OBIA
from iota2.core.cost import SECONDS_PER_JOB, Cost, Facts, JobFacts
from iota2.core.grid import PART_ROWS
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import Acquisition, Scene, SensorScene
from iota2.core.user_features import UserFeatures, UserFunction
from iota2.io.archive.specs import builtin_specs
from tests.chain.helpers import Case, case, small

__all__ = ["case", "small"]

SHAPE = (PART_ROWS + 100, 50)
GRID = GeoBox.from_bbox((0, 0, 10 * SHAPE[1], 10 * SHAPE[0]), "EPSG:32631", shape=SHAPE)
STEPS = {step.name: step for step in CLASSIFICATION.steps}


@pytest.fixture
def facts() -> Facts:
    """Two tiles with two Sentinel-2 dates, one tile with two regions; two classes, three features."""
    spec = builtin_specs()["Sentinel_2"]
    dates = tuple(Acquisition("Sentinel2", date(2018, 1, k), f"2018010{k}", "product", {}, {}, {}) for k in (1, 2))
    sensor = SensorScene(spec, dates, {})
    recipe = FeatureRecipe((SensorRecipe("Sentinel2", ("B4",), {}, ("1", "2", "3"), indices=()),))
    classes = Nomenclature((1, 300), ("a", "b"), ((0, 0, 0),) * 2, (1, 300))
    scenes = {tile: Scene(tile, GRID, (sensor,)) for tile in ("A", "B")}
    return Facts(scenes, {"A": ("1", "2"), "B": ("2",)}, recipe, classes, samples=1000.0)


def test_the_pixels_of_a_job_are_those_of_a_part_a_tile_a_strip_or_all_tiles(facts: Facts) -> None:
    def pixels(**key: str | int) -> int:
        return JobFacts(facts, key, 0).pixels

    assert pixels(tile="A", part=0) == PART_ROWS * 50
    assert pixels(tile="A", part=1) == 100 * 50
    assert pixels(tile="B", region="2", seed=0) == SHAPE[0] * 50
    assert JobFacts(replace(facts, strips={4: 77}), {"strip": 4}, 0).pixels == 77
    assert pixels() == pixels(seed=1) == 2 * SHAPE[0] * 50
    assert JobFacts(facts, {"tile": "A"}, 0).regions == 2
    assert facts.model_count == 2
    assert facts.label_bytes == 2, "the code 300 takes two bytes"


def test_the_cost_of_classification_grows_with_regions_runs_and_probabilities(facts: Facts, case: Case) -> None:
    plain = load_config(case.configured())
    rich = load_config(case.configured(arg_classification={"enable_probability_map": True}, arg_train={"runs": 2}))
    step = STEPS["classification"]
    of_a, of_b = (JobFacts(facts, {"tile": tile, "part": 1}, 7 << 20) for tile in ("A", "B"))
    pixels = 100 * 50
    assert step.cost(plain, of_b).uncompressed == (2 + 4) * pixels
    assert step.cost(plain, of_a).uncompressed == 2 * (2 + 4) * pixels, "two regions"
    assert step.cost(rich, of_a).uncompressed == 4 * (2 + 4 + 2 * 2) * pixels, "two runs, two classes"
    assert step.cost(plain, of_a).memory == 7 << 20
    assert step.cost(plain, of_a).seconds > STEPS["classificationMerge"].cost(plain, of_a).seconds


def test_the_cost_of_classification_grows_with_models_of_a_region_and_with_blending(facts: Facts, case: Case) -> None:
    def cost(run: Facts, **options: object) -> Cost:
        regions = {"region_path": str(case.files.regions), "region_field": "region"}
        config = load_config(case.configured(chain=regions, arg_classification=options))
        return STEPS["classification"].cost(config, JobFacts(run, {"tile": "A", "part": 1}, 0))

    pixels, fused = 100 * 50, {"classif_mode": "fusion"}
    one, divided = facts, replace(facts, submodels={"1": 3, "2": 1})
    blended = {"enable_boundary_fusion": True, "boundary_exterior_buffer_size": 20}
    assert cost(divided, **fused).uncompressed == (4 + 2) * (2 + 4) * pixels, "four models, and two maps of regions"
    assert cost(divided, **fused).seconds > cost(one, **fused).seconds > cost(one).seconds
    assert cost(one, **blended).uncompressed == (2 + 1) * (2 + 4) * pixels, "two models, and one map of the tile"
    one_more = cost(divided, **fused).seconds - cost(one, **fused).seconds
    assert cost(one, **blended).seconds - cost(one).seconds >= one_more / 2, "half as many predictions again"


def test_the_memory_of_the_classification_of_segments_contains_all_models_of_the_tile(facts: Facts, case: Case) -> None:
    step = next(step for step in OBIA.steps if step.name == "segmentClassification")

    def memory(tile: str, trees: int, runs: int = 1) -> int:
        train = {"otb_classifier_options": {"classifier.rf.nbtrees": trees}, "runs": runs}
        config = load_config(case.configured(builders={"builders_class_name": ["I2Obia"]}, arg_train=train))
        return step.cost(config, JobFacts(replace(facts, samples=1e5 * runs), {"tile": tile}, 1 << 20)).memory

    of_model = memory("B", 200) - memory("B", 100)
    assert of_model > 1e5 * 100, "more than a byte for each sample and tree"
    assert memory("A", 200) - memory("A", 100) == pytest.approx(2 * of_model), "two regions"
    assert memory("B", 200, 3) - memory("B", 100, 3) == pytest.approx(3 * of_model), "three runs"


def test_the_memory_of_the_classification_of_segments_contains_samples_that_models_keep(
    facts: Facts, case: Case
) -> None:
    step = next(step for step in OBIA.steps if step.name == "segmentClassification")

    def memory(*statistics: str) -> int:
        config = load_config(
            case.configured(
                builders={"builders_class_name": ["I2Obia"]},
                obia={"stats_used": [*statistics]},
                scikit_models_parameters={"model_type": "SVC"},
            )
        )
        return step.cost(config, JobFacts(replace(facts, samples=1e5), {"tile": "B"}, 1 << 20)).memory

    features = facts.features
    assert memory("mean", "min", "max") - memory("mean") > 1e4 * 2 * 4 * features


@pytest.mark.parametrize("name", STEPS)
def test_every_step_has_a_cost(name: str, facts: Facts, case: Case) -> None:
    values = {"tile": "A", "part": 0, "sensor": "Sentinel2", "region": "1", "submodel": "", "seed": 0, "source": ""}
    key = {axis: values[axis] for axis in STEPS[name].over}
    cost = STEPS[name].cost(load_config(case.configured()), JobFacts(facts, key, 1 << 20))
    assert cost.seconds > 0
    assert cost.memory >= 1 << 20
    makes_rasters = any(made.path.endswith(".tif") for made in STEPS[name].makes.values())
    # a constant raster, whose compressed size is negligible; no functions that need the whole tile
    constant = {"sensorsPreprocess", "wholeTileFeatures"}
    assert (cost.uncompressed > 0) == (makes_rasters and name not in constant)


def test_the_time_of_functions_of_the_user_is_that_of_their_trial(facts: Facts, case: Case) -> None:
    functions = tuple(
        UserFunction(name, labels=(name,), dates=("",), whole_tile=name == "tile") for name in ("f", "tile")
    )
    recipe = replace(facts.recipe, user=UserFeatures("mine.py", "", functions))
    plain, config = replace(facts, recipe=recipe), load_config(case.configured())
    measured = replace(plain, function_seconds={"f": 1e-3, "tile": 2e-3})

    def more(name: str, **key: str | int) -> float:
        costs = [STEPS[name].cost(config, JobFacts(one, key, 0)).seconds for one in (plain, measured)]
        return (costs[1] - costs[0]) / JobFacts(facts, key, 0).pixels

    for name in ("samplesExtraction", "classification"):
        assert more(name, tile="A", part=1) == pytest.approx(1e-3), name
    assert more("wholeTileFeatures", tile="A") == pytest.approx(2e-3)


def test_the_training_is_estimated_with_added_samples(facts: Facts, case: Case) -> None:
    augmentation = {"activate": True, "strategy": "smote", "samples.strategy": "balance"}
    plain = load_config(case.configured())
    grown = load_config(case.configured(arg_train={"sample_augmentation": augmentation}))
    job = JobFacts(facts, {"region": "1", "submodel": "", "seed": 0, "source": ""}, 0)
    before, after = (STEPS["learnModel"].cost(config, job).memory for config in (plain, grown))
    assert after == pytest.approx(2 * before, abs=2)
    assert STEPS["samplesAugmentation"].cost(grown, job).disk == 2 * STEPS["samplesByModels"].cost(plain, job).disk


def test_the_time_of_the_training_counts_the_grid_search_and_the_models_of_the_calibration(
    facts: Facts, case: Case
) -> None:
    def seconds(calibration: str, **scikit: object) -> float:
        chosen = {"model_type": "LinearSVC", "standardization": True, **scikit}
        config = load_config(
            case.configured(arg_classification={"calibration": calibration}, scikit_models_parameters=chosen)
        )
        return (
            STEPS["learnModel"]
            .cost(config, JobFacts(facts, {"region": "1", "submodel": "", "seed": 0, "source": ""}, 0))
            .seconds
        )

    grid = {"cross_validation_parameters": {"C": [1, 10, 100]}, "cross_validation_folds": 2}
    once = seconds("none") - SECONDS_PER_JOB
    assert once > 0
    assert seconds("auto") - SECONDS_PER_JOB == pytest.approx(once * (1 + 4 * 2 / 3))
    assert seconds("none", **grid) - SECONDS_PER_JOB == pytest.approx(once * (1 + 2 * 4 / 2))
    assert seconds("auto", **grid) - seconds("none", **grid) == pytest.approx(once * 4 * 2 / 3)


def test_numbers_of_added_samples_are_those_of_the_options(facts: Facts, case: Case) -> None:
    table = case.files.folder / "counts.csv"
    table.write_text("1,30\n300,50\n", encoding="utf-8")

    def added(**options: object) -> float:
        given = {"activate": True, "strategy": "replicate", **options}
        config = load_config(case.configured(arg_train={"sample_augmentation": given}))
        job = JobFacts(facts, {"region": "1", "submodel": "", "seed": 0, "source": ""}, 0)
        plain = STEPS["samplesByModels"].cost(config, job).disk
        return 500 * (STEPS["samplesAugmentation"].cost(config, job).disk / plain - 1)

    assert added(**{"samples.strategy": "minNumber", "samples.strategy.minNumber": 70}) == pytest.approx(2 * 70)
    assert added(**{"samples.strategy": "byClass", "samples.strategy.byClass": str(table)}) == pytest.approx(80)
    assert added(**{"samples.strategy": "balance"}) == pytest.approx(500)
    assert added(**{"samples.strategy": "balance", "target_models": ["2"]}) == 0
    table.write_text("what is this\n", encoding="utf-8")
    assert added(**{"samples.strategy": "byClass", "samples.strategy.byClass": str(table)}) == pytest.approx(500)


@pytest.mark.parametrize("name", ["classification", "featureImportance", "reduceFeatures"])
def test_added_samples_count_where_models_are_used_and_reduced(name: str, facts: Facts, case: Case) -> None:
    augmentation = {"activate": True, "strategy": "smote", "samples.strategy": "balance"}
    sections = {"scikit_models_parameters": {"model_type": "KNeighborsClassifier"}}
    plain = load_config(case.configured(**sections))
    grown = load_config(case.configured(**sections, arg_train={"sample_augmentation": augmentation}))
    values = {"tile": "A", "part": 0, "region": "1", "submodel": "", "seed": 0, "source": ""}
    job = JobFacts(facts, {axis: values[axis] for axis in STEPS[name].over}, 0)
    before, after = (STEPS[name].cost(config, job) for config in (plain, grown))
    assert (after.seconds, after.disk) > (before.seconds, before.disk)


def test_the_memory_of_a_search_counts_the_samples_of_a_fold(facts: Facts, case: Case) -> None:
    grid = {"cross_validation_parameters": {"max_depth": [5, 10]}, "cross_validation_folds": 4}
    job = JobFacts(facts, {"region": "1", "submodel": "", "seed": 0, "source": ""}, 0)

    def memory(**options: object) -> int:
        chosen = {"model_type": "ExtraTreesClassifier", **options}
        config = case.configured(scikit_models_parameters=chosen, arg_classification={"calibration": "none"})
        return STEPS["learnModel"].cost(load_config(config), job).memory

    assert memory(**grid) - memory() == pytest.approx(4 * 0.75 * 1000 * 3, rel=0.01)
