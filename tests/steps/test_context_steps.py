"""Steps of the context of pixels: superpixels, their pixels, first models, context of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.classifiers import validate_options
from iota2.classifiers.autocontext import load_autocontext
from iota2.classifiers.context_training import load_context_models
from iota2.compute.superpixels import SlicOptions
from iota2.compute.window_means import window_means
from iota2.config.learner import Learner
from iota2.core.cube import FeatureBlock
from iota2.core.graph import Key, Resources
from iota2.core.tables import CODE, COLUMN, ORIGIN, ROW, sample_columns
from iota2.io.tables.pixel_features import read_clear_pixels
from iota2.io.tables.superpixel_samples import read_superpixels
from iota2.io.tables.vectors import write_samples, write_sqlite
from iota2.steps.learning import autocontext_models, context_features, context_models
from iota2.steps.prepare import superpixel_components, superpixel_features, superpixels
from iota2.steps.sampling import superpixel_samples
from iota2.steps.training_samples import FirstModelParams
from tests.steps.helpers import (
    DAYS,
    GRID,
    RECIPE,
    TILE,
    area,
    frame,
    read_raster,
    run,
    several,
    write_codes,
    write_raster,
    write_recipe,
    write_scene,
)

ROWS, COLUMNS = np.indices(GRID.shape)
HIGH = COLUMNS >= 4
"""Pixels with high values in the images."""
CLOUDY = (ROWS == 2) & (COLUMNS < 2)
PART, MODEL = Key.of(tile=TILE, part=0), Key.of(region="1", submodel="", seed=0, source="")
PARAMETERS, _ = validate_options("rf", {"classifier.rf.nbtrees": 5})
LEARNER = Learner("rf", PARAMETERS)
SELECTED = [(0, 0, 1, 0), (2, 1, 1, 0), (5, 3, 1, 1), (1, 5, 2, 2), (3, 4, 2, 2), (5, 7, 2, 3)]
"""Row, column, class and polygon of the selected pixels; the second is never clear."""


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, str]:
    """A tile with two pixels that are never clear, its recipe, and the classes."""
    bands = features()
    images = {day: {"RED": bands[2 * k], "NIR": bands[2 * k + 1], "CLOUD": CLOUDY} for k, day in enumerate(DAYS)}
    return {
        "scene": write_scene(tmp_path, images),
        "recipe": write_recipe(tmp_path),
        "classes": write_codes(tmp_path),
        "samples": samples(tmp_path),
    }


def features() -> np.ndarray:
    """(feature, y, x): the features of the recipe."""
    red, nir = np.where(HIGH, 3000, 1000) + 10 * ROWS, np.where(HIGH, 200, 900) + COLUMNS
    return np.stack([band for k in range(3) for band in (red + k, nir)])


def samples(folder: Path) -> str:
    """The clear selected pixels as samples, with their features; and all of them as a selection."""
    rows, cols, codes, polygons = np.array(SELECTED).T
    x = features()[:, rows, cols].T
    points = frame([area((r, r + 1), (c, c + 1)).centroid for r, c, *_ in SELECTED])
    chosen = points.assign(**{CODE: codes, ORIGIN: polygons})
    write_sqlite(chosen.assign(**{ROW: rows, COLUMN: cols}), folder / "selection.sqlite")
    table = pd.concat([chosen, pd.DataFrame(x.astype(float), columns=sample_columns(RECIPE))], axis=1)
    write_samples(table[~CLOUDY[rows, cols]].reset_index(drop=True), folder / "samples.sqlite")
    return "samples.sqlite"


def some(inputs: dict[str, str], *names: str) -> dict[str, str]:
    return {name: inputs[name] for name in names}


def segmented(
    folder: Path,
    scenes: Mapping[str, str],
    recipe: str,
    options: SlicOptions,
    *,
    use: Resources | None = None,
) -> list[np.ndarray]:
    """Run the steps of superpixels; ``scenes``: scene files by tile. Returns the superpixels of each tile."""
    for tile, scene in scenes.items():
        given = {"scene": scene, "recipe": recipe}
        run(superpixel_features.STEP, folder, given, {"pixels": f"{tile}.npz"}, key=Key.of(tile=tile), use=use)
    fitted = {"recipe": recipe, "pixels": several("tile", {tile: f"{tile}.npz" for tile in scenes})}
    run(superpixel_components.STEP, folder, fitted, {"components": "components"})
    for tile, scene in scenes.items():
        given = {"scene": scene, "recipe": recipe, "components": "components"}
        params, key = superpixels.SuperpixelParams(options), Key.of(tile=tile)
        run(superpixels.STEP, folder, given, {"raster": f"{tile}.tif"}, key=key, params=params, use=use)
    return [read_raster(folder / f"{tile}.tif") for tile in scenes]


@pytest.mark.parametrize("shape", [None, (2, 3)])
def test_superpixels_follow_the_image_and_leave_out_unclear_pixels(
    tmp_path: Path, inputs: dict[str, str], shape: tuple[int, int] | None
) -> None:
    use = Resources(block_shape=shape)
    (found,) = segmented(tmp_path, {TILE: inputs["scene"]}, inputs["recipe"], SlicOptions(3, 0.2), use=use)
    np.testing.assert_array_equal(found > 0, ~CLOUDY)
    for number in np.unique(found[found > 0]):
        assert len(np.unique(HIGH[found == number])) == 1
    assert len(np.unique(found)) > 3


def test_overlapping_tiles_have_the_same_superpixels(tmp_path: Path) -> None:
    rng, options = np.random.default_rng(1), SlicOptions(3, 0.2, iterations=1)
    ground = {day: {"RED": rng.normal(2000, 400, (130, 130)), "NIR": rng.normal(900, 200, (130, 130))} for day in DAYS}
    ground[DAYS[0]]["RED"][:, 100:] *= 3  # so that components fitted to one tile differ
    places = {"T31TCJ": np.s_[0:100, 0:100], "T31TDJ": np.s_[7:130, 17:130]}
    scenes = {}
    for tile, place in places.items():
        (tmp_path / tile).mkdir()
        origin = Affine.translation(10 * place[1].start, -10 * place[0].start) * GRID.affine
        grid = GeoBox(np.zeros((130, 130))[place].shape, origin, GRID.crs)
        images = {day: {band: values[place] for band, values in bands.items()} for day, bands in ground.items()}
        scenes[tile] = f"{tile}/{write_scene(tmp_path / tile, images, tile=tile, geobox=grid)}"
    west, east = segmented(tmp_path, scenes, write_recipe(tmp_path), options)
    halo = options.halo_cells * options.cell
    inner = west[7 + halo : 100 - halo, 17 + halo : 100 - halo], east[halo : 93 - halo, halo : 83 - halo]
    pairs = set(zip(*(numbers.ravel().tolist() for numbers in inner), strict=True))
    assert len(pairs) == len(np.unique(inner[0])) == len(np.unique(inner[1])) > 30


def touched(tmp_path: Path, inputs: dict[str, str]) -> np.ndarray:
    """Run the extraction of the pixels of superpixels, squares of 2 x 2 pixels; returns the superpixels."""
    segments = np.where(CLOUDY, 0, 1 + ROWS // 2 * 4 + COLUMNS // 2)
    write_raster(tmp_path / "slic.tif", segments, "uint32")
    key = {("1", "", 0): "selection.sqlite"}
    given = {
        **some(inputs, "scene", "recipe"),
        "segments": "slic.tif",
        "selections": several("region submodel seed", key),
    }
    out = {"pixels": several("region submodel seed", {("1", "", 0): "pixels.npz"})}
    run(superpixel_samples.STEP, tmp_path, given, out, key=PART)
    return segments


def test_all_pixels_of_touched_superpixels_are_extracted(tmp_path: Path, inputs: dict[str, str]) -> None:
    segments = touched(tmp_path, inputs)
    found = read_superpixels(tmp_path / "pixels.npz")
    rows, cols = np.array(SELECTED).T[:2]
    np.testing.assert_array_equal(found.position, np.arange(len(SELECTED)))
    np.testing.assert_array_equal(found.segment, segments[rows, cols])
    inside = np.isin(segments, found.segment[found.segment > 0])
    np.testing.assert_array_equal(found.pixel_segment, segments[inside])
    np.testing.assert_array_equal(found.values[:, 0], features()[0][inside])


def test_the_chain_of_autocontext_is_trained(tmp_path: Path, inputs: dict[str, str]) -> None:
    touched(tmp_path, inputs)
    given = {**some(inputs, "recipe", "classes", "samples"), "pixels": several("tile part", {(TILE, 0): "pixels.npz"})}
    params = autocontext_models.AutoContextParams(LEARNER, 0, None, 2)
    run(autocontext_models.STEP, tmp_path, given, {"chain": "chain"}, key=MODEL, params=params)
    chain = load_autocontext(tmp_path / "chain")
    assert chain.previous is not None
    assert chain.previous.halo == 49
    assert chain.shares.shape == (5, 2)
    np.testing.assert_allclose(chain.shares.sum(axis=1), 1)


@pytest.mark.parametrize("memory", [256 << 20, 1 << 20])
def test_the_context_of_samples_is_the_mean_around_them(tmp_path: Path, inputs: dict[str, str], memory: int) -> None:
    params = FirstModelParams(LEARNER, 0, None)
    trained = some(inputs, "recipe", "classes", "samples")
    run(context_models.STEP, tmp_path, trained, {"models": "models"}, key=MODEL, params=params)
    models = load_context_models(tmp_path / "models")
    assert models.fold_of.keys() == {0, 1, 2, 3}
    given = {
        **some(inputs, "scene"),
        "selections": several("region submodel seed", {("1", "", 0): "selection.sqlite"}),
        "models": several("region submodel seed source", {("1", "", 0, ""): "models"}),
    }
    out = {"context": several("region submodel seed source", {("1", "", 0, ""): "context.npz"})}
    window = context_features.ContextParams(3)
    run(context_features.STEP, tmp_path, given, out, key=PART, params=window, use=Resources(memory=memory))
    found = read_clear_pixels([tmp_path / "context.npz"], 2)
    assert found.shape == (5, 2)
    whole = FeatureBlock(features().astype(np.float32), RECIPE.names, (~CLOUDY).astype(np.uint16))
    clear = [one for one in SELECTED if not CLOUDY[one[0], one[1]]]
    for (row, col, _, polygon), means in zip(clear, found, strict=True):
        shares = models.out_of_fold(models.fold_of[polygon], whole, ~CLOUDY)
        np.testing.assert_allclose(means, window_means(shares, ~CLOUDY, 1)[:, row, col], rtol=1e-6)
