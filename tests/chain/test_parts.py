"""Samples do not depend on the parts of a tile, and a run that is killed in one part continues with that part."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from iota2.config.options.schema import Config
from iota2.core import grid
from iota2.io.tables.pixel_features import PixelFeatures, write_pixel_features
from iota2.runs import runner
from iota2.steps.sampling import extraction
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured, run_chain

SIZE = 64
WORLD = WorldOptions(size=SIZE, overlap=16, classes=3, dates=DATES[2:10:2])
TILE = "T31TCJ"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    return write_world(make_world(WORLD), tmp_path_factory.mktemp("world"))


def sampled(world: WorldFiles, folder: Path, samples: str) -> Config:
    """A configuration that ends with the samples of two seeds."""

    def edit(text: str) -> str:
        text = re.sub(r"last_step : '\w+'", "last_step : 'sampling'", text)
        text = re.sub(r"list_tile : '[^']+'", f"list_tile : '{TILE}'", text)
        return re.sub(r"runs : \d+", f"runs : 2\n  learning_samples_extension : '{samples}'", text)

    return configured(world, folder, edit)


def tables(config: Config) -> dict[str, bytes]:
    """The tables of samples."""
    return {path.name: path.read_bytes() for path in (config.chain.output_path / "learningSamples").glob("*_learn.*")}


@pytest.mark.parametrize(
    ("samples", "numbers"), [pytest.param("sqlite", (1, 2, 7), marks=pytest.mark.long), ("parquet", (1, 7))]
)
def test_samples_are_the_same_bytes_for_any_number_of_parts(
    world: WorldFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: str, numbers: tuple[int, ...]
) -> None:
    found = {}
    for parts in numbers:
        rows = -(-SIZE // parts)
        monkeypatch.setattr(grid, "PART_ROWS", rows)
        config = sampled(world, tmp_path / str(parts), samples)
        run_chain(config)
        written = (config.chain.output_path / "learningSamples/parts").glob(f"{TILE}_part_*_region_1_seed1.npz")
        assert len([*written]) == parts
        found[parts] = tables(config)
    assert len(found[1]) > 3
    assert all(found[parts] == found[1] for parts in numbers)


def run_until_killed(config: Config, part: int) -> None:
    """Run in a forked process that is killed when it writes the features of a part of the tile."""

    def write(features: PixelFeatures, path: Path) -> None:
        if f"{TILE}_part_{part}_" in path.name:
            os.kill(os.getpid(), signal.SIGKILL)
        write_pixel_features(features, path)

    child = os.fork()
    if child == 0:
        try:
            extraction.write_pixel_features = write  # in this process only
            run_chain(config)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.long
def test_a_run_killed_in_a_part_continues_with_that_part(
    world: WorldFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "PART_ROWS", 24)
    config, undisturbed = (sampled(world, tmp_path / name, "sqlite") for name in ("killed", "undisturbed"))
    run_until_killed(config, part=1)
    assert not tables(config)
    results = runner.run(config, runner.Options(workers=0), runner.Watcher())
    parts = {id_ for id_ in results if id_.startswith(f"samplesExtraction/extraction_{TILE}_")}
    assert parts == {f"samplesExtraction/extraction_{TILE}_part_{part}" for part in (1, 2)}
    run_chain(undisturbed)
    assert tables(config) == tables(undisturbed)
