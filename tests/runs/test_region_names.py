"""Regions whose models or files would have the same names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product

import pytest

from iota2 import layout
from iota2.compute.submodels import submodel_names
from iota2.core.cost import model_name
from iota2.core.graph import SOURCES, Artifact
from iota2.runs.survey.region_names import region_name_problems

FUSED = (layout.with_submodels, layout.with_fused_probabilities)
CONSTANTS = {"region_base": "regions", "cloud": 0, "samples": "csv", "features_map": "features", "sensor": "Sentinel2"}
Model = dict[str, str]


def models_of(counts: dict[str, int], sources: Iterable[str] = ("",)) -> list[Model]:
    """The models of regions with these numbers of sub-models."""
    return [
        {"region": region, "submodel": submodel, "source": source}
        for region, count in counts.items()
        for submodel in submodel_names(count)
        for source in sources
    ]


def files_of_regions(*, fused: bool) -> list[Artifact]:
    """The kinds of files of the layout with a region, with or without those of split regions."""
    return [one for one in layout.artifacts() if "region" in one.axes and (fused or one.when not in FUSED)]


def paths(region: str, models: Sequence[Model], artifacts: Iterable[Artifact]) -> set[str]:
    """All files of a region, for two tiles, parts and seeds."""
    return {
        artifact.path.format(**CONSTANTS, **model, tile=tile, part=part, seed=seed)
        for artifact in artifacts
        for model in models
        if model["region"] == region
        for tile, part, seed in product(("T31TCJ", "T31TDJ"), (0, 1), (0, 1))
    }


def similar_names(artifacts: Iterable[Artifact]) -> list[str]:
    """Names that differ from ``1`` by a part of a file name: the text before or after the region, between two _."""
    found = {"1f1", "1f2", "1f9", "1_DS", "1_SAR", "1_seed_0", "1_seed_0_SAR"}
    for artifact in artifacts:
        before, _, after = artifact.path.partition("{region}")
        filled = [
            text.format(**CONSTANTS, submodel="", source="", tile="T31TCJ", part=0, seed=0) for text in (before, after)
        ]
        start, end = filled[0].rpartition("/")[2], filled[1].partition(".")[0]
        found |= {start[cut.end() :] + "1" for cut in re.finditer("^|_", start)}
        found |= {"1" + end[: cut.start()] for cut in re.finditer("_|$", end)}
    return sorted(found - {"1"})


def test_a_region_may_not_have_the_name_of_a_model_of_another_region() -> None:
    (text,) = region_name_problems(models_of({"1": 3, "1f2": 1, "1f9": 1, "f1": 2}), ())
    assert text.startswith("region '1f2' has the name of a model of region '1', which is split (arg_classification.cl")
    assert region_name_problems(models_of({"1": 1, "1f1": 4, "2": 3}), ()) == [], "region 1 is not split"
    (text,) = region_name_problems(models_of({"a": 1, "a_SAR": 1, "b": 1}, SOURCES), files_of_regions(fused=False))
    assert text == (
        "region 'a_SAR' has the name of a model of region 'a', which has radar models "
        "(arg_train.dempster_shafer_sar_opt_fusion); rename one of the two regions."
    )
    assert region_name_problems(models_of({"a": 1, "a_SAR": 1}), files_of_regions(fused=False)) == []


def test_regions_with_a_common_file_are_named_with_it() -> None:
    (text,) = region_name_problems(models_of({"1": 1, "1_confidence": 1, "2": 2}), files_of_regions(fused=True))
    assert text.startswith("regions '1' and '1_confidence' would have the same file, classif/")
    assert text.endswith("<tile>_FUSION_model_1_confidence_seed_<seed>.tif; rename one of the two regions.")


@pytest.mark.parametrize(
    ("fused", "sources", "refused"),
    [
        (False, ("",), set()),
        (True, ("",), {"1_confidence", "1f1", "1f2"}),
        (False, SOURCES, {"1_SAR"}),
    ],
)
def test_two_regions_never_have_a_common_file_or_name_of_a_model(
    fused: bool, sources: tuple[str, ...], refused: set[str]
) -> None:
    artifacts = files_of_regions(fused=fused)
    found = set()
    for other in similar_names(artifacts):
        for count in (1, 2) if fused else (1,):
            models = models_of({"1": 2 if fused else 1, other: count}, sources)
            names = [{model_name(model) for model in models if model["region"] == one} for one in ("1", other)]
            common = paths("1", models, artifacts) & paths(other, models, artifacts)
            wrong = bool(common or (names[0] & {*names[1], other}))
            assert bool(region_name_problems(models, artifacts)) == wrong, (other, common)
            found |= {other} if wrong else set()
    assert found == refused
