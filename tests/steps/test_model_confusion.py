"""Confusion matrix of a model in validation pixels."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np

from iota2.classifiers import save_model, train_model, validate_options
from iota2.core.tables import CODE, ORIGIN, WEIGHT, sample_columns
from iota2.io.tables.confusions import read_confusion
from iota2.io.tables.sample_tables import write_points
from iota2.steps.classification import model_confusion
from tests.steps.helpers import CRS, RECIPE, run, several, write_codes


def table(path: Path, codes: list[int], values: list[float], weights: list[float]) -> str:
    """Validation pixels with the same value of all features."""
    n, names = len(codes), sample_columns(RECIPE)
    points = gpd.GeoDataFrame(
        {CODE: codes, ORIGIN: range(n), WEIGHT: weights}, geometry=gpd.points_from_xy([0.0] * n, [0.0] * n), crs=CRS
    )
    write_points(points, names, np.repeat(np.float32(values)[:, None], len(names), axis=1), np.arange(n), path)
    return path.name


def test_pixels_of_all_tiles_count_with_their_weight(tmp_path: Path) -> None:
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 5})
    x = np.repeat([[1000.0], [3000.0]], 20, axis=0) + np.zeros(len(RECIPE.names))
    model = train_model("rf", parameters, x, np.repeat([1, 2], 20), recipe=RECIPE, seed=0, region="1", threads=1)
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    tiles = {
        "A": table(tmp_path / "a.sqlite", [1, 1, 2], [1000, 3000, 3000], [3, 2, 4]),
        "B": table(tmp_path / "b.sqlite", [2, 2], [1000, 3000], [5, 1]),
    }
    inp = {"model": "model", "samples": several("tile", tiles), "classes": write_codes(tmp_path)}
    run(model_confusion.STEP, tmp_path, inp, {"confusion": "matrix.csv"})
    assert read_confusion(tmp_path / "matrix.csv").counts.tolist() == [[3, 2], [5, 5]]
