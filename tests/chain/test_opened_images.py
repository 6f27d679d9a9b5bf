"""Which images the chain opens: each header once for a plan, and in a job only what the job reads."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from iota2.config.options.schema import Config
from iota2.runs import preview, runner
from iota2.runs.watcher import Watcher
from iota2.testing.files import WorldFiles
from iota2.testing.world import WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured, run_chain
from tests.chain.helpers import DATES
from tests.opened import opened_files, rasters_of

TILE, OTHER = "T31TCJ", "T31TDJ"
FEATURES = ("B4", "B8", "B11")
NARROW = "Sentinel_2:\n{{\n    keep_bands: [{}]\n}}\niota2_feature_extraction:\n{{\n    extract_bands: True\n}}\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    options = WorldOptions(size=64, overlap=16, classes=3, dates=DATES)
    return write_world(make_world(options), tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def config(world: WorldFiles, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Features of three bands."""
    kept = ", ".join(f"'{band}'" for band in FEATURES)
    return configured(world, tmp_path_factory.mktemp("run"), lambda text: text + NARROW.format(kept))


def kind_of(path: str) -> str:
    """Band or mask that a file of Sentinel-2 holds."""
    return re.sub(r".*?_((FRE_)?(B\w+)|(\w{3})_R1)\.tif$", lambda found: found[3] or found[4], path)


def test_a_plan_opens_each_image_once(world: WorldFiles, config: Config) -> None:
    images = {str(path) for path in Path(world.s2_path).rglob("*.tif")}
    with opened_files() as opened:
        options = runner.Options()
        preview.report_forecast(config, options, Watcher(), preview.preview_first_run(config, options))
    counts = Counter(rasters_of(opened, world.s2_path))
    assert set(counts.values()) == {1}
    assert set(counts) <= images
    assert {kind_of(path) for path in counts} >= {*FEATURES, "CLM", "EDG", "SAT"}


def test_jobs_open_the_images_that_they_read_and_no_others(world: WorldFiles, config: Config) -> None:
    with opened_files() as opened:
        run_chain(config)
    by_job: dict[str, Counter[str]] = {"": Counter()}
    job = ""
    for entry in opened:
        if log := re.search(r"/logs/(\w+/\w+)\.out$", entry[0]):
            job = log[1]
            by_job.setdefault(job, Counter())
        by_job[job].update(rasters_of([entry], world.s2_path))
    assert set(by_job.pop("").values()) == {1}, "while the run is planned"
    assert len(by_job) > 40
    for job, counts in by_job.items():
        step, kinds = job.partition("/")[0], {kind_of(path) for path in counts}
        assert not any(f"/{OTHER if TILE in job else TILE}/" in path for path in counts), job
        if step in ("samplesExtraction", "classification"):
            assert kinds == {*FEATURES, "CLM", "EDG", "SAT"}, job
            assert set(counts.values()) == {1}, job
        elif step == "PixelValidity":  # which looks at a sample of values too
            assert kinds == {*FEATURES, "CLM", "EDG", "SAT"}, job
        elif step == "CommonMasks":
            assert kinds == {"EDG"}, job
        else:
            assert not counts, job
