"""Classification of a strip by the models of its regions, and merge of strips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from iota2.classifiers import Model, save_model, train_model, validate_options
from iota2.classifiers.base import Prediction
from iota2.core.cube import FeatureBlock
from iota2.core.graph import Key, MultiplePaths
from iota2.core.recipe import FeatureRecipe
from iota2.errors import FeatureMismatch, InputError
from iota2.io.rasters.files import RasterReader
from iota2.steps.classification import classification, merge_parts
from iota2.steps.profiles import NO_PROBABILITY
from iota2.steps.tile_models import RegionFusion
from tests.steps.helpers import (
    CLASSES,
    DAYS,
    GRID,
    RECIPE,
    TILE,
    read_raster,
    run,
    several,
    write_codes,
    write_raster,
    write_scene,
)

MODEL_AXES = "region submodel seed source"
PART = Key.of(tile=TILE, part=0)
ROW, COLUMN = np.indices(GRID.shape)
HIGH = (ROW + COLUMN) % 2 == 0
"""Pixels with high values in the images."""
CLOUDY = (ROW == 2) & (COLUMN < 6)
WEST = COLUMN < 5
EAST = (COLUMN >= 5) & (ROW > 0)


def model(low: int, high: int, recipe: FeatureRecipe = RECIPE) -> Model:
    """A model that predicts class ``low`` for features below 2000, and class ``high`` above."""
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 5})
    x = np.repeat([[1000.0], [3000.0]], 20, axis=0) + np.zeros(len(recipe.names))
    codes = np.repeat([low, high], 20)
    return train_model("rf", parameters, x, codes, recipe=recipe, seed=0, region="1", threads=1)


def inputs(folder: Path, models: dict[str, Model]) -> dict[str, str | MultiplePaths]:
    """Inputs of the step: a tile with six pixels that are never clear, and models and masks of its regions."""
    image = {"RED": np.where(HIGH, 3000, 1000), "NIR": np.where(HIGH, 3000, 1000), "CLOUD": CLOUDY}
    for region, one in models.items():
        save_model(one, folder / f"model_{region}", folder / f"{region}.txt")
    masks = {"west": WEST, "east": EAST}
    return {
        "scene": write_scene(folder, dict.fromkeys(DAYS, image)),
        "classes": write_codes(folder),
        "models": several(MODEL_AXES, {(region, "", 0, ""): f"model_{region}" for region in models}),
        "masks": several("region", {name: write_raster(folder / f"{name}.tif", mask) for name, mask in masks.items()}),
    }


def test_each_region_is_labelled_by_its_model_where_a_date_is_clear(tmp_path: Path) -> None:
    inp = inputs(tmp_path, {"west": model(1, 2), "east": model(2, 1)})
    kinds = ("labels", "confidence", "probabilities")
    out = {kind: several(MODEL_AXES, {(r, "", 0, ""): f"{kind}_{r}.tif" for r in ("west", "east")}) for kind in kinds}
    run(classification.STEP, tmp_path, inp, out, key=PART, params=RegionFusion())
    expected = {"west": np.where(HIGH, 2, 1) * (WEST & ~CLOUDY), "east": np.where(HIGH, 1, 2) * (EAST & ~CLOUDY)}
    for region, labels in expected.items():
        np.testing.assert_array_equal(read_raster(tmp_path / f"labels_{region}.tif"), labels)
        np.testing.assert_array_equal(read_raster(tmp_path / f"confidence_{region}.tif"), labels > 0)
        with RasterReader(tmp_path / f"probabilities_{region}.tif") as reader:
            shares = reader.read_bands(GRID)
        for share, code in zip(shares, CLASSES.codes, strict=True):
            np.testing.assert_array_equal(share, np.where(labels > 0, 1000 * (labels == code), NO_PROBABILITY))


def test_models_of_a_region_vote_where_they_have_a_label(tmp_path: Path) -> None:
    inp = inputs(tmp_path, {})
    models = {"f1": model(1, 2), "f2": model(1, 1), "f3": model(2, 1)}
    for name, one in models.items():
        save_model(one, tmp_path / name, tmp_path / f"{name}.txt")
    inp |= {
        "models": several(MODEL_AXES, {("west", name, 0, ""): name for name in models}),
        "masks": several("region", {"west": "west.tif"}),
    }
    kinds = ("labels", "confidence", "probabilities")
    out = {kind: several(MODEL_AXES, {("west", n, 0, ""): f"{kind}_{n}.tif" for n in models}) for kind in kinds}
    out |= {f"fused_{kind}": several("region seed", {("west", 0): f"fused_{kind}.tif"}) for kind in kinds}
    for fusion in (RegionFusion("majorityvoting", None, "maxConfidence"), RegionFusion("mean")):
        run(classification.STEP, tmp_path, inp, out, key=PART, params=fusion)
        seen = WEST & ~CLOUDY  # high pixels have the votes 2, 1, 1; low pixels 1, 1, 2
        np.testing.assert_array_equal(read_raster(tmp_path / "fused_labels.tif"), 1 * seen)
        confidence = read_raster(tmp_path / "fused_confidence.tif")
        np.testing.assert_allclose(confidence, np.float32(2 / 3) * seen, rtol=1e-6)
        with RasterReader(tmp_path / "fused_probabilities.tif") as reader:
            shares = reader.read_bands(GRID)
        np.testing.assert_array_equal(shares, np.where(seen, np.array([667, 333])[:, None, None], NO_PROBABILITY))
        np.testing.assert_array_equal(read_raster(tmp_path / "labels_f1.tif"), np.where(HIGH, 2, 1) * seen)


def test_regions_are_blended_by_their_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predicted, predict = {1: 0, 2: 0}, Model.predict

    def counted(self: Model, features: FeatureBlock, where: np.ndarray, *, threads: int = 1) -> Prediction:
        predicted[int(self.classes[0])] += int(np.count_nonzero(where))
        return predict(self, features, where, threads=threads)

    monkeypatch.setattr(Model, "predict", counted)
    inp = inputs(tmp_path, {"west": model(1, 1), "east": model(2, 2)})
    weights = {"west": np.clip(7 - COLUMN, 0, 4) * 250, "east": np.clip(COLUMN - 3, 0, 4) * 250}
    for name, values in weights.items():
        write_raster(tmp_path / f"weights_{name}.tif", values, "uint16")
    inp["weights"] = several("region", {name: f"weights_{name}.tif" for name in weights})
    kinds = ("labels", "confidence", "probabilities")
    out = {kind: several(MODEL_AXES, {(r, "", 0, ""): f"{kind}_{r}.tif" for r in weights}) for kind in kinds}
    out |= {f"blended_{kind}": several("seed", {0: f"blended_{kind}.tif"}) for kind in kinds}
    run(classification.STEP, tmp_path, inp, out, key=PART, params=RegionFusion())
    west, east = (weights[name] / 1000 for name in ("west", "east"))
    seen = ~CLOUDY  # where weights are equal, the smaller code
    np.testing.assert_array_equal(read_raster(tmp_path / "blended_labels.tif"), np.where(west >= east, 1, 2) * seen)
    share = np.maximum(west, east) / (west + east)
    np.testing.assert_allclose(read_raster(tmp_path / "blended_confidence.tif"), share * seen, atol=1e-6)
    np.testing.assert_array_equal(read_raster(tmp_path / "labels_west.tif"), 1 * (WEST & seen))
    np.testing.assert_array_equal(read_raster(tmp_path / "labels_east.tif"), 2 * (EAST & seen))
    assert predicted == {1: np.count_nonzero(west), 2: np.count_nonzero(east)}, "no pixel without a weight"


def test_models_with_other_features_or_classes_are_errors(tmp_path: Path) -> None:
    other = replace(RECIPE, sensors=(replace(RECIPE.sensors[0], dates=("20180101",)),))
    inp = inputs(tmp_path, {"west": model(1, 2), "east": model(1, 2, other)})
    with pytest.raises(FeatureMismatch, match="trained on different features"):
        run(classification.STEP, tmp_path, inp, {}, params=RegionFusion())
    (tmp_path / "unknown").mkdir()
    inp = inputs(tmp_path / "unknown", {"west": model(1, 7)})
    with pytest.raises(InputError, match="model_west: predicts class 7; expected only classes of the run: 1, 2"):
        run(classification.STEP, tmp_path / "unknown", inp, {}, params=RegionFusion())


def test_strips_are_placed_on_the_tile_and_rows_without_strip_are_nodata(tmp_path: Path) -> None:
    strips = {0: GRID[:2], 1: GRID[2:5]}  # none has the last row
    forms = {
        "labels": ("uint8", ROW % 2 + 1, 0),
        "confidence": ("float32", COLUMN / 8, 0),
        "probabilities": ("uint16", np.stack([ROW, COLUMN]), NO_PROBABILITY),
    }
    inp: dict[str, str | MultiplePaths] = {
        "scene": write_scene(tmp_path, {DAYS[0]: {"RED": 1, "NIR": 1}}),
        "classes": write_codes(tmp_path),
    }
    for kind, (dtype, values, _) in forms.items():
        paths = {part: tmp_path / f"{kind}_{part}.tif" for part in strips}
        for (part, geobox), rows in zip(strips.items(), (slice(0, 2), slice(2, 5)), strict=True):
            write_raster(paths[part], values[..., rows, :], dtype, GeoBox(geobox.shape, geobox.affine, geobox.crs))
        inp[kind] = several("part", {part: path.name for part, path in paths.items()})
    out = {kind: f"{kind}.tif" for kind in forms}
    run(merge_parts.STEP, tmp_path, inp, out, key=Key.of(tile=TILE, region="west", seed=0))
    for kind, (dtype, values, nodata) in forms.items():
        with RasterReader(tmp_path / f"{kind}.tif") as reader:
            assert (reader.geobox, reader.dtype) == (GRID, dtype)
            found = reader.read_bands(GRID)
        np.testing.assert_array_equal(found, np.where(ROW < 5, values, nodata).reshape(found.shape).astype(dtype))
