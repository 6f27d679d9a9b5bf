"""The public interface gives the values of a run."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

import iota2
from iota2.errors import InputError
from iota2.io.tables.recipes import read_recipe
from tests.chain.conftest import Mapped

ROWS, COLS = slice(20, 60), slice(30, 90)


def _tile(mapped: Mapped) -> str:
    return sorted(path.name for path in (mapped.root / "features").iterdir() if path.is_dir())[0]


def test_import_loads_no_numerical_library():
    code = "import sys, iota2; print({'numpy', 'xarray', 'rasterio', 'numba'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_predictions_are_the_map_of_the_run(mapped: Mapped):
    tile = _tile(mapped)
    scene = iota2.open_scene(mapped.root, tile)
    cube = scene.cube(scene.geobox[ROWS, COLS])
    compared = 0
    for folder in sorted((mapped.root / "model").glob("model_*_seed_0")):
        region = folder.name.split("_")[1]
        labelled = mapped.root / f"classif/Classif_{tile}_model_{region}_seed_0.tif"
        if not folder.is_dir() or not labelled.exists():
            continue
        model = iota2.load_model(folder)
        found = model.predict(iota2.features(cube, model.recipe))
        with rasterio.open(labelled) as of_run:
            labels = of_run.read(1)[ROWS, COLS]
        with rasterio.open(str(labelled).replace("Classif_", "", 1).replace("_seed_0", "_confidence_seed_0")) as of_run:
            confidence = of_run.read(1)[ROWS, COLS]
        inside = labels > 0
        compared += int(inside.sum())
        np.testing.assert_array_equal(found.label.values[inside], labels[inside])
        np.testing.assert_array_equal(found.confidence.values[inside], confidence[inside])
    assert compared > 0


def test_a_cube_has_times_bands_grid_and_validity(mapped: Mapped):
    scene = iota2.open_scene(mapped.root, _tile(mapped))
    part = scene.geobox[ROWS, COLS]
    series = scene.cube(part, sensors=scene.sensors[:1]).to_xarray()
    assert series["values"].dims == ("time", "band", "y", "x")
    assert series.odc.geobox == part
    assert not series.valid.all()
    assert not np.isnan(series["values"].values[:, 0][series.valid.values]).any()


def test_bounds_and_geobox_of_one_area_give_the_same_features(mapped: Mapped):
    scene = iota2.open_scene(mapped.root, _tile(mapped))
    part = scene.geobox[ROWS, COLS]
    by_box = iota2.features(scene.cube(part)).to_xarray()
    by_bounds = iota2.features(scene.cube(tuple(part.boundingbox.bbox))).to_xarray()
    assert by_box.identical(by_bounds)
    assert tuple(by_box.feature.values) == read_recipe(mapped.root / "features/recipe.json").names


def test_wrong_requests_are_input_errors(mapped: Mapped, tmp_path):
    tile = _tile(mapped)
    scene = iota2.open_scene(mapped.root, tile)
    with pytest.raises(InputError, match=f"Available: {tile}"):
        iota2.open_scene(mapped.root, "T99XXX")
    with pytest.raises(InputError, match="no scenes"):
        iota2.open_scene(tmp_path, tile)
    with pytest.raises(InputError, match="not inside tile"):
        scene.cube((0.0, 0.0, 10.0, 10.0))
    with pytest.raises(InputError, match="other pixels"):
        scene.cube(GeoBox((10, 10), scene.geobox.affine.translation(3.3, 0) * scene.geobox.affine, scene.geobox.crs))
    with pytest.raises(InputError, match="no images"):
        scene.cube(sensors=["Sentinel9"])
