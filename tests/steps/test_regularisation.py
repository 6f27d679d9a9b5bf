"""The map without small patches: the same for every block shape and memory."""

from __future__ import annotations

import math
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.regularise import regularised
from iota2.core.graph import Resources
from iota2.errors import ConfigError
from iota2.steps import regular_blocks
from iota2.steps.products import regularisation
from iota2.steps.products.regularisation import RegularisationParams
from iota2.steps.regular_blocks import MappingUnit, block_plan, in_order
from tests.steps.helpers import CLASSES, read_raster, run, write_codes, write_raster

GRID = GeoBox((90, 120), Affine(10, 0, 300_000, 0, -10, 4_900_000), "EPSG:32631")


def noisy() -> np.ndarray:
    rng = np.random.default_rng(4)
    fields = np.kron(rng.integers(1, 3, (9, 12)), np.ones((10, 10), int))
    labels = np.where(rng.random(GRID.shape) < 0.35, rng.integers(1, 3, GRID.shape), fields)
    labels[20:30, 40:55] = 0
    return labels.astype(np.uint8)


def made(folder: Path, minimum: int, use: Resources) -> np.ndarray:
    inp = {"map": write_raster(folder / "map.tif", noisy(), "uint8", GRID, nodata=0), "classes": write_codes(folder)}
    run(
        regularisation.STEP,
        folder,
        inp,
        {"map": "out.tif", "style": "out.qml"},
        params=RegularisationParams(minimum),
        use=use,
    )
    return read_raster(folder / "out.tif")


USES = [Resources(), Resources(block_shape=(17, 40)), Resources(threads=3, block_shape=(90, 33))]


@pytest.mark.parametrize("use", USES)
def test_result_does_not_depend_on_blocks(tmp_path: Path, use: Resources) -> None:
    found = made(tmp_path, 6, use)
    np.testing.assert_array_equal(found, regularised(noisy(), 6))
    assert (found == 0).sum() == 150
    assert (found != noisy()).mean() > 0.1


def test_the_map_has_colours_and_a_style(tmp_path: Path) -> None:
    made(tmp_path, 6, Resources())
    with rasterio.open(tmp_path / "out.tif") as source:
        assert source.colormap(1)[2][:3] == CLASSES.colors[1]
    assert "maize" in (tmp_path / "out.qml").read_text(encoding="utf-8")


def test_undecided_pixels_of_a_fusion_are_patches_with_a_name_and_a_colour(tmp_path: Path) -> None:
    labels = np.where(noisy() == 2, 300, noisy()).astype(np.uint16)
    labels[60:70, 60:70] = 300
    source = write_raster(tmp_path / "map.tif", labels, "uint16", GRID, nodata=0)
    inp, out = {"map": source, "classes": write_codes(tmp_path)}, {"map": "out.tif", "style": "out.qml"}
    run(regularisation.FUSION_STEP, tmp_path, inp, out, params=RegularisationParams(6, 300))
    found = read_raster(tmp_path / "out.tif")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, regularised(labels, 6))
    assert (found[61:69, 61:69] == 300).all()
    assert "undecided" in (tmp_path / "out.qml").read_text(encoding="utf-8")


@pytest.mark.parametrize("minimum", [2, 5, 25, 100, 1000])
def test_blocks_fit_the_memory(minimum: int) -> None:
    use = Resources(memory=1 << 30)
    shape, halo, _ = block_plan((40_000, 50_000), MappingUnit(minimum, "unit"), use)
    assert (shape[0] + 2 * halo) * (shape[1] + 2 * halo) * 20 <= use.memory
    assert min(shape) >= 64
    assert block_plan((100, 100), MappingUnit(minimum, "unit"), use).shape == (100, 100)


def test_blocks_of_several_threads_share_the_memory() -> None:
    map_shape, unit = (10_000, 9_000), MappingUnit(10, "unit")
    for threads in (2, 3, 4):
        use = Resources(threads, memory=1 << 30)
        plan = block_plan(map_shape, unit, use)
        around = [side + 2 * plan.halo for side in plan.shape]
        assert plan.threads == threads
        assert threads * math.prod(around) * 20 <= use.memory
        down, across = (math.ceil(length / side) for length, side in zip(map_shape, plan.shape, strict=True))
        assert down * across % threads == 0


@pytest.mark.parametrize("use", [Resources(block_shape=(17, 40)), Resources(2, block_shape=(70, 90))])
def test_the_halo_grows_until_it_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Resources) -> None:
    monkeypatch.setattr(regular_blocks, "_HALO_FACTOR", 0.5)
    halos = []
    block = regular_blocks._Regularisation.block
    monkeypatch.setattr(
        regular_blocks._Regularisation, "block", lambda own, part, halo: halos.append(halo) or block(own, part, halo)
    )
    np.testing.assert_array_equal(made(tmp_path, 30, use), regularised(noisy(), 30))
    assert {3, 6, 12} <= {*halos}


def test_threads_are_used_only_if_they_save_time() -> None:
    use = Resources(4, memory=64 << 20)
    assert block_plan((1000, 1000), MappingUnit(2, "unit"), use).threads == 4
    assert block_plan((300, 300), MappingUnit(1000, "unit"), use) == ((300, 300), 506, 1)


def test_results_are_in_order_whatever_thread_is_first() -> None:
    last, running = threading.Event(), []

    def work(item: int) -> int:
        running.append(item)
        if item == 0:
            assert last.wait(60)
        elif item == 2:
            last.set()
        return item

    assert list(in_order(work, range(6), 3)) == [0, 1, 2, 3, 4, 5]
    taken = []
    results = in_order(work, (taken.append(item) or item for item in range(1, 9)), 3)
    assert next(results) == 1
    assert taken == [1, 2, 3]


def test_too_little_memory_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"minimum_mapping_unit: 1000 pixels need \d+ MB .* a job has 16 MB"):
        block_plan((40_000, 50_000), RegularisationParams(1000).unit, Resources(memory=16 << 20))


@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_stay_within_the_memory_of_the_job(tmp_path: Path, threads: int) -> None:
    grid = GeoBox((1500, 1500), GRID.affine, GRID.crs)
    labels = np.random.default_rng(0).integers(1, 3, grid.shape)
    inp = {"map": write_raster(tmp_path / "map.tif", labels, "uint8", grid, nodata=0), "classes": write_codes(tmp_path)}
    use = Resources(threads, memory=threads * (16 << 20))
    plan = block_plan((1500, 1500), MappingUnit(10, "unit"), use)
    assert plan.shape[0] < 1500
    assert plan.threads == threads
    tracemalloc.start()
    run(
        regularisation.STEP,
        tmp_path,
        inp,
        {"map": "out.tif", "style": "out.qml"},
        params=RegularisationParams(10),
        use=use,
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert use.memory / 4 < peak <= use.memory
    np.testing.assert_array_equal(read_raster(tmp_path / "out.tif"), regularised(labels.astype(np.uint8), 10))
