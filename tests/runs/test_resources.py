"""The resources file: resources of steps and workers, and invalid entries."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from iota2.chains.lookup import BUILDERS
from iota2.config.legacy import BLOCKS_WITHOUT_STEP
from iota2.core.builder import Chain
from iota2.core.graph import Resources
from iota2.errors import ConfigError
from iota2.runs import runner
from iota2.runs.workers.execute import Retry
from iota2.runs.workers.resources import WORKER_BLOCK, ResourceSettings, WorkerResources, read_resources
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured
from tests.chain.test_restart import digests
from tests.config.documented import RESOURCES_2020, RESOURCES_NEWER

CHAIN = Chain(BUILDERS)

GB = 1 << 30
ONCE = Retry()
USE = Resources()


def read(folder: Path, text: str, retry: Retry = ONCE) -> ResourceSettings:
    path = folder / "resources.cfg"
    path.write_text(text, encoding="utf-8")
    return read_resources(path, USE, retry, CHAIN.numbers)


def test_defaults_apply_without_a_file() -> None:
    settings = read_resources(None, USE, ONCE, CHAIN.numbers)
    assert not settings.steps
    assert settings.worker == WorkerResources(threads=1, memory=2 * GB, seconds=4 * 3600)


def test_legacy_block_names_are_read(tmp_path: Path) -> None:
    text = """
    training:
    {
        name:'training'
        nb_cpu:4
        ram:'8gb'
        walltime:'10:30:05'
    }
    vectorSampler: { nb_cpu: 2, ram: '512 MB' }
    mosaic: { nb_cpu: 3 }
    clump: { nb_cpu: 40 }
    """
    settings = read(tmp_path, text)
    assert dict(settings.steps) == {
        "learnModel": Resources(threads=4, memory=4 * GB),
        "samplesExtraction": Resources(threads=2, memory=GB // 4),
        "mosaic": Resources(threads=3, memory=USE.memory),
    }
    assert settings.worker == WorkerResources(threads=4, memory=8 * GB, seconds=10 * 3600 + 30 * 60 + 5)
    (remark,) = settings.remarks
    assert "training.name" in remark
    assert "clump" in remark


def test_the_block_iota2_chain_concerns_workers_which_fit_every_job(tmp_path: Path) -> None:
    settings = read(
        tmp_path, "iota2_chain:\n  nb_cpu: 2\n  ram: '6gb'\n  walltime: '100:00:00'\nmosaic:\n  nb_cpu: 8\n"
    )
    assert settings.worker == WorkerResources(threads=8, memory=6 * GB, seconds=360_000)
    assert list(settings.steps) == ["mosaic"]


def test_workers_fit_a_job_after_all_retries(tmp_path: Path) -> None:
    text = "training: { nb_cpu: 3, ram: '4gb' }"
    assert read(tmp_path, text, Retry(2, memory=10 * GB, threads=5)).worker == WorkerResources(5, 10 * GB, 4 * 3600)
    assert read(tmp_path, text, Retry(2, memory=GB, threads=1)).worker == WorkerResources(3, 4 * GB, 4 * 3600)


def test_a_retried_job_never_gets_less() -> None:
    given = Resources(threads=8, memory=4 * GB)
    assert Retry(1, memory=GB, threads=2).next_resources(given) == given
    assert Retry(1, memory=6 * GB, threads=12).next_resources(given) == Resources(threads=12, memory=6 * GB)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainin: { nb_cpu: 2 }", "line 1: 'trainin' is not a step; did you mean 'training'?"),
        ("training: { nbcpu: 2 }", "line 1: training.nbcpu is unknown; did you mean 'nb_cpu'?"),
        ("training: { qqqq: 2 }", "training.qqqq is unknown; expected one of nb_cpu, ram, walltime"),
        ("training: { nb_cpu: 0 }", "training.nb_cpu: expected a whole number ≥ 1, got 0"),
        ("training: { nb_cpu: True }", "training.nb_cpu: expected a whole number ≥ 1, got True"),
        ("training: { ram: 5 }", "training.ram: expected a size of at least 64mb, such as '5gb', got 5"),
        ("training: { ram: '5' }", "training.ram: expected a size"),
        ("training: { walltime: '10' }", "training.walltime: expected a duration 'HH:MM:SS' in quotes, got '10'"),
        ("training: { walltime: '01:75:00' }", "training.walltime: expected a duration"),
        ("training: { nb_cpu: 2 }\nlearnModel: { nb_cpu: 3 }", "line 2: 'learnModel' and 'training' both concern"),
        ("nb_cpu : 3", "section; expected a section with"),
    ],
)
def test_invalid_entries_are_reported_with_line_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as err:
        read(tmp_path, text)
    assert message in str(err.value)
    assert "resources.cfg" in str(err.value)


@pytest.mark.parametrize("name", [*RESOURCES_2020, *RESOURCES_NEWER, "Training", "GET_COMMON_MASK"])
@pytest.mark.parametrize("suffix", ["cfg", "yaml"])
def test_all_legacy_blocks_are_known(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"resources.{suffix}"
    content = {"name": name, "nb_cpu": 2, "ram": "1gb", "process_min": 1, "process_max": -1, "nb_chunk": 3}
    path.write_text(yaml.safe_dump({name: content}) if suffix == "yaml" else f"{name} : {content}", encoding="utf-8")
    settings = read_resources(path, USE, ONCE, CHAIN.numbers)
    (remark,) = settings.remarks
    assert name in remark
    assert "unknown" not in remark
    given = Resources(threads=2, memory=GB // 2)
    assert all(use == given for use in settings.steps.values())
    assert bool(settings.steps) == (name not in BLOCKS_WITHOUT_STEP and name != WORKER_BLOCK)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("regularisation", "regularisedMap"),
        ("vectorisation", "squareLines"),
        ("clipvectors", "clippedPolygons"),
        ("prodVectors", "allPolygons"),
    ],
)
def test_legacy_blocks_of_the_vectorisation_are_those_of_its_steps(tmp_path: Path, name: str, step: str) -> None:
    assert read(tmp_path, f"{name} : {{ nb_cpu : 3 }}").fixed_threads == {step}


def test_a_legacy_block_of_a_step_of_another_builder_requests_nothing(tmp_path: Path) -> None:
    path = tmp_path / "resources.cfg"
    path.write_text("vectorisation: { ram: '40gb' }\ntraining: { nb_cpu: 2 }", encoding="utf-8")
    settings = read_resources(path, USE, ONCE, ["learnModel"])
    assert settings.worker.memory == 2 * GB
    assert list(settings.steps) == ["learnModel"]
    (remark,) = settings.remarks
    assert remark.endswith("without effect here: vectorisation.")


def test_a_block_of_an_unknown_step_is_named_and_ignored(tmp_path: Path) -> None:
    settings = read(tmp_path, "bigQuicklook : { nb_cpu : 7 }\nmosaic : { nb_cpu : 3 }\nclump : {}")
    assert list(settings.steps) == ["mosaic"]
    assert settings.worker.threads == 3
    (remark,) = settings.remarks
    assert "bigQuicklook (unknown), clump" in remark


def test_a_block_of_a_step_of_another_builder_is_no_spelling_mistake(tmp_path: Path) -> None:
    path = tmp_path / "resources.cfg"
    path.write_text("segmentation: { nb_cpu: 2 }\nclassification: { nb_cpu: 3 }", encoding="utf-8")
    given = path, Resources(), Retry(), ["classification"]
    (remark,) = read_resources(*given, ["segmentation", "classification"]).remarks
    assert remark.endswith("without effect here: segmentation.")
    with pytest.raises(ConfigError, match="'segmentation' is not a step"):
        read_resources(*given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: { ram: '" + "9" * 400 + "gb' }", "expected a size of at most 1024tb"),
        ("training: { ram: '2000tb' }", "expected a size of at most 1024tb"),
        ("training: { nb_cpu: 99999999999999999 }", "expected at most 65536 threads"),
        ("training: { nb_cpu: '" + "9" * 5000 + "' }", "expected a whole number"),
        ("training: { walltime: '" + "9" * 5000 + ":00:00' }", "expected a duration"),
    ],
)
def test_excessive_amounts_are_rejected(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text)


def test_a_quoted_number_is_a_number(tmp_path: Path) -> None:
    assert read(tmp_path, "training: { nb_cpu: '4' }").steps["learnModel"].threads == 4


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as err:
        read(tmp_path, "trainin: { nb_cpu: 2 }\nmosaic: { ram: 'much', nb_cpu: -1 }")
    assert len(err.value.problems) == 3


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_resources(tmp_path / "none.cfg", USE, ONCE, CHAIN.numbers)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    options = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:2])
    return write_world(make_world(options), tmp_path_factory.mktemp("tiny"))


@pytest.mark.long
def test_threads_and_memory_of_steps_do_not_change_the_results(tiny: WorldFiles, tmp_path: Path) -> None:
    resources = tmp_path / "resources.cfg"
    own = sorted(CHAIN.numbers)
    resources.write_text("\n".join(f"{step}: {{ nb_cpu: 4, ram: '64mb' }}" for step in own))

    config = configured(tiny, tmp_path)

    def run(options: runner.Options) -> dict[str, str]:
        runner.run(config, options, runner.Watcher())
        found = digests(config.chain.output_path)
        shutil.rmtree(config.chain.output_path)
        return found

    expected = run(runner.Options(workers=0))
    assert any(name.endswith("Classif_Seed_0.tif") for name in expected)
    assert run(runner.Options(workers=0, resources=resources)) == expected
