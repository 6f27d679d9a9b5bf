"""The map without small patches: the same for every block shape and memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.regularise import halo_of, regularised
from iota2.core.graph import Resources
from iota2.errors import ConfigError
from iota2.steps.products import regularisation
from iota2.steps.products.regularisation import RegularisationParams
from iota2.steps.regular_passes import MappingUnit, passes_of
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


@pytest.mark.parametrize("use", [Resources(), Resources(block_shape=(17, 40)), Resources(block_shape=(90, 33))])
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
    shape, rounds = passes_of((40_000, 50_000), MappingUnit(minimum, "unit"), use)
    side = shape[0] + 2 * halo_of(minimum, rounds)
    assert side**2 * 26 <= use.memory
    assert shape[0] >= 64
    assert passes_of((100, 100), MappingUnit(minimum, "unit"), use).shape == (100, 100)


def test_too_little_memory_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"minimum_mapping_unit: 1000 pixels need \d+ MB .* a job has 256 MB"):
        passes_of((40_000, 50_000), RegularisationParams(1000).unit, Resources())


def test_blocks_stay_within_the_memory_of_the_job(tmp_path: Path) -> None:
    grid = GeoBox((1500, 1500), GRID.affine, GRID.crs)
    labels = np.random.default_rng(0).integers(1, 3, grid.shape)
    inp = {"map": write_raster(tmp_path / "map.tif", labels, "uint8", grid, nodata=0), "classes": write_codes(tmp_path)}
    use = Resources(memory=16 << 20)
    assert passes_of((1500, 1500), MappingUnit(10, "unit"), use).shape[0] < 1500
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
