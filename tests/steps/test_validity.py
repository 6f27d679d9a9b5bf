"""Clear pixels of each date, compared with the clouds and image edges of the synthetic landscape."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from iota2 import layout
from iota2.core.graph import Resources
from iota2.io.rasters.files import RasterReader
from iota2.io.tables.clear_dates import DateCoverage, read_clear_dates
from iota2.io.tables.vectors import read_vector
from iota2.runs import runner
from iota2.testing.files import WorldFiles
from iota2.testing.world import World, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured

TILES = ("T31TCJ", "T31TDJ")
DAYS = tuple(date(2018, 3, 1) + timedelta(days=20 * k) for k in range(8))
"""On the second and the sixth date, the edge of the swath excludes most of one tile."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, WorldFiles]:
    world = make_world(WorldOptions(size=64, overlap=16, classes=3, dates=DAYS))
    return world, write_world(world, tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("shape", [None, (24, 40)])
def test_each_date_has_its_numbers_of_imaged_and_clear_pixels(
    made: tuple[World, WorldFiles], tmp_path: Path, shape: tuple[int, int] | None
) -> None:
    world, files = made
    config = configured(files, tmp_path)
    options = runner.Options(workers=0, last_step="init", use=Resources(block_shape=shape))
    runner.run(config, options, runner.Watcher())
    for tile in TILES:
        found = read_clear_dates(config.chain.output_path / layout.CLEAR_DATES.path.format(tile=tile))
        expected = {}
        for day in world.dates(tile):
            sky, window = world.sky(day), world.window(tile)
            views = DateCoverage(int((~sky.edge[window]).sum()), int((~sky.invalid[window]).sum()))
            expected["Sentinel2", day.strftime("%Y%m%d")] = views
        assert found == expected
        assert {view.inside == 64 * 64 for view in found.values()} == {True, False}, (
            "some images end at the edge of the swath"
        )
        with RasterReader(config.chain.output_path / layout.VALIDITY.path.format(tile=tile)) as reader:
            assert int(reader.read(reader.geobox).sum(dtype=np.int64)) == sum(view.clear for view in found.values())


@pytest.mark.parametrize("threshold", ["", "cloud_threshold : 0", "cloud_threshold : 1"])
def test_the_sampling_area_excludes_pixels_that_are_never_clear(
    made: tuple[World, WorldFiles], tmp_path: Path, threshold: str
) -> None:
    """Also with a threshold of 0, and with the default."""
    config = configured(made[1], tmp_path, lambda text: text.replace("list_tile", f"{threshold}\n  list_tile", 1))
    runner.run(config, runner.Options(workers=0, last_step="init"), runner.Watcher())
    name = f"features/T31TCJ/CloudThreshold_{threshold[-1:] or 0}.shp"
    clear = read_vector(config.chain.output_path / name)
    with RasterReader(config.chain.output_path / layout.VALIDITY.path.format(tile="T31TCJ")) as reader:
        seen = reader.read(reader.geobox)
        pixel = abs(reader.geobox.resolution.x * reader.geobox.resolution.y)
    assert (seen == 0).any()
    assert clear.to_crs(32631).area.sum() == pytest.approx((seen > 0).sum() * pixel, rel=0.1)
    assert clear.to_crs(32631).area.sum() < (seen > 0).sum() * pixel


def test_several_products_of_one_day_count_as_one_date(made: tuple[World, WorldFiles], tmp_path: Path) -> None:
    """Each product also exists in an older version, and in a copy acquired some seconds later."""
    world, files = made
    archive = Path(shutil.copytree(files.s2_path, tmp_path / "archive"))
    for product in sorted(archive.glob("*/SENTINEL2*")):
        satellite, acquired, *rest = product.name.split("_")
        day, time, milliseconds = acquired.split("-")
        later = "_".join((satellite, f"{day}-{int(time) + 1:06}-{milliseconds}", *rest))
        copied(product, later)
        copied(product, "_".join((*product.name.split("_")[:-1], "V0-1")))
    outputs = {}
    for name, source in (("once", files.s2_path), ("several", archive)):
        there = str(source)
        config = configured(files, tmp_path / name, lambda text, to=there: text.replace(str(files.s2_path), to))
        runner.run(config, runner.Options(workers=0, last_step="init"), runner.Watcher())
        root = config.chain.output_path
        tile = TILES[0]
        with RasterReader(root / layout.VALIDITY.path.format(tile=tile)) as reader:
            validity = reader.read(reader.geobox)
        dates = root / layout.INPUT_DATES.path.format(tile=tile, sensor="Sentinel2")
        clear = read_clear_dates(root / layout.CLEAR_DATES.path.format(tile=tile))
        outputs[name] = clear, dates.read_text().split(), validity.tolist()
        notes = (root / layout.SCAN_NOTES.path.format(tile=tile)).read_text()
    assert outputs["several"] == outputs["once"]
    count = len(world.dates(TILES[0]))
    assert f"older versions: {count} products" in notes
    assert f"several products of each of {count} days" in notes


def copied(product: Path, name: str) -> None:
    """Copy a product folder under another name, which its files contain too."""
    copy = Path(shutil.copytree(product, product.with_name(name)))
    for path in copy.rglob(f"*{product.name}*"):
        path.rename(path.with_name(path.name.replace(product.name, name)))


def test_a_date_whose_image_does_not_cover_the_tile_has_no_clear_share() -> None:
    assert DateCoverage(0, 0).clear_share is None
    assert DateCoverage(40, 10).clear_share == 0.25
