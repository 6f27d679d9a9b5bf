"""Doubtful segments: labelled segments that models without their labels predict as another class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from iota2.classifiers import save_model, train_model, validate_options
from iota2.classifiers.base import Model
from iota2.classifiers.models import load_model, model_without_samples
from iota2.compute.sampling import BOTH
from iota2.config.learner import Learner
from iota2.core.graph import Key, MultiplePaths
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import CODE, LEARN, ORIGIN, REGION, VALIDATION, sample_columns
from iota2.io.tables.classes import write_classes
from iota2.io.tables.polygon_tables import write_polygons
from iota2.io.tables.sample_tables import write_points
from iota2.io.tables.segment_labels import read_segment_labels
from iota2.io.tables.segment_values import SegmentValues, segment_values_writer
from iota2.io.tables.segments import LabelledParts, LabelPredictions, Segments, SharedSegments
from iota2.io.tables.vectors import write_shapefile
from iota2.steps.objects import doubtful, independent, labels
from iota2.steps.segment_features import block_of_segments, read_selected, value_names
from tests.steps.helpers import CRS, RECIPE, area, frame, run, several, write_recipe

OBJECTS = replace(RECIPE, statistics=("mean",))
NAMES = value_names(OBJECTS)
CLASSES = Nomenclature((7, 9), ("wheat", "maize"), ((255, 0, 0), (0, 255, 0)), ("W", "M"))
COUNT = 60
TRUTH = np.where(np.arange(COUNT) % 2 == 0, 7, 9)
"""True class of segments; those of class 9 have larger features."""
WRONG_LEARNING, WRONG_VALIDATION = 5, 45
"""Segments, from 0, that are declared as the other class."""
DECLARED = TRUTH.copy()
DECLARED[[WRONG_LEARNING, WRONG_VALIDATION]] = 16 - DECLARED[[WRONG_LEARNING, WRONG_VALIDATION]]
SIDES = np.where(np.arange(COUNT) < 40, LEARN, VALIDATION)
PIXELS = np.arange(COUNT) + 1
LARGE = 10**12
"""Added to the numbers of segments, to get their identifiers."""
LEARNER = Learner("rf", validate_options("rf", {"classifier.rf.nbtrees": 20, "classifier.rf.min": 1})[0])


def write_inputs(
    folder: Path,
    declared: np.ndarray = DECLARED,
    sides: Sequence[str] | np.ndarray = SIDES,
    parts: Sequence[tuple[int, int]] = tuple((k, k) for k in range(COUNT)),
) -> None:
    """Segments of one tile; ``parts``: segment and polygon, from 0, of the labelled parts.

    All used learning segments are samples of a model, whose trees have single samples as leaves.
    """
    none = np.zeros(0, np.int64)
    SharedSegments(none, none.astype(str), none, none, none.astype(np.int16), none > 0).write(folder / "shared.npz")
    zeros = np.zeros(COUNT, np.int64)
    Segments(
        identifier=np.arange(1, COUNT + 1) + LARGE,
        pixels=PIXELS,
        region=zeros.astype(np.int16),
        place=zeros,
        present=zeros == 0,
        mapped=PIXELS,
    ).write(folder / "T.npz")
    segment, polygon = np.array(parts).T
    LabelledParts(segment + 1, polygon, PIXELS[segment], zeros[segment]).write(folder / "parts.npz")
    columns = {ORIGIN: range(COUNT), CODE: declared, "seed_0": sides, REGION: "1"}
    write_shapefile(frame([area((0, 6), (0, 8))] * COUNT, **columns), folder / "reference.shp")
    write_shapefile(frame([area((0, 6), (0, 8))], region=["1"]), folder / "regions.shp")
    write_recipe(folder, OBJECTS)
    write_classes(CLASSES, folder / "classes.json")
    values = np.random.default_rng(0).normal(100 * TRUTH[:, None], 5, (COUNT, len(NAMES))).astype(np.float32)
    with segment_values_writer(folder / "values.parquet", NAMES) as writer:
        writer.add(SegmentValues(np.arange(1, COUNT + 1, dtype=np.uint32), PIXELS, PIXELS, values))
    with segment_values_writer(folder / "none.parquet", NAMES):
        pass
    inp = {"tables": several("tile", {"T": "T.npz"}), "shared": "shared.npz", "reference": "reference.shp"}
    inp |= {"parts": several("tile", {"T": "parts.npz"})}
    run(labels.STEP, folder, inp, {"labels": "labels.csv"}, key=Key.of(seed=0))
    write_model(folder, values)


def write_model(folder: Path, values: np.ndarray) -> None:
    """The samples and the model of the used learning segments."""
    table = read_segment_labels(folder / "labels.csv")
    table = table[(table["side"] == LEARN) & (table["reason"] == "")]
    x = values[table["number"] - 1]
    points = frame(
        [shapely.Point(0, 0)] * len(x), **{CODE: table["code"].to_numpy(), ORIGIN: table["polygon"].to_numpy()}
    )
    write_points(points, sample_columns(OBJECTS), x, np.arange(len(x)), folder / "samples.sqlite")
    model = train_model(
        "rf", LEARNER.parameters, x, table["code"].to_numpy(), recipe=OBJECTS, seed=0, region="1", threads=1
    )
    save_model(model, folder / "model", folder / "card.txt")


def predict(folder: Path) -> pd.DataFrame:
    """Predictions by segment, from 0, with the probability of each class."""
    inp: Mapping[str, str | MultiplePaths] = {
        "classes": "classes.json",
        "samples": "samples.sqlite",
        "model": "model",
        "recipe": "recipe.json",
        "regions": "regions.shp",
        "reference": "reference.shp",
        "labels": "labels.csv",
        "tables": several("tile", {"T": "T.npz"}),
        "shared": "shared.npz",
        "parts": several("tile", {"T": "parts.npz"}),
        "part_values": several("tile part", {("T", 0): "values.parquet"}),
        "values": several("tile", {"T": "none.parquet"}),
        "shared_values": several("tile", {"T": "none.parquet"}),
    }
    key = Key.of(region="1", submodel="", seed=0, source="")
    params = independent.IndependentParams(LEARNER, None, ())
    run(independent.STEP, folder, inp, {"predictions": "predictions.npz"}, key=key, params=params)
    found = LabelPredictions.read(folder / "predictions.npz")
    assert set(found.tile.tolist()) <= {"T"}
    columns = {
        "side": found.side,
        "label": found.label,
        "p7": found.probabilities[:, 0],
        "p9": found.probabilities[:, 1],
    }
    table = pd.DataFrame(columns, index=found.number - 1)
    assert table.index.is_unique
    return table.sort_index()


def by_model(folder: Path, segments: Sequence[int]) -> np.ndarray:
    """Probabilities (segment, class) by the model of the run."""
    model: Model = load_model(folder / "model")
    found = read_selected([folder / "values.parquet"], np.array(segments) + 1, OBJECTS)
    block = block_of_segments(found, OBJECTS)
    result: np.ndarray = model.predict(block, np.ones((1, len(segments)), bool)).probabilities[:, 0].T
    return result


def test_no_segment_is_predicted_from_its_own_label(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    found = predict(tmp_path)
    assert found.index.tolist() == [*range(COUNT)]
    assert found["side"].tolist() == SIDES.tolist()
    assert found["label"].tolist() == TRUTH.tolist()
    own = by_model(tmp_path, [WRONG_LEARNING])[0]
    assert own.argmax() == [7, 9].index(DECLARED[WRONG_LEARNING]), "the model of the run has learned the wrong label"
    np.testing.assert_allclose(found[["p7", "p9"]].sum(axis=1), 1, atol=1e-6)
    validation = [*range(40, COUNT)]
    np.testing.assert_array_equal(found.loc[validation, ["p7", "p9"]].to_numpy(), by_model(tmp_path, validation))


def test_segments_on_both_sides_are_predicted_out_of_fold_and_once(tmp_path: Path) -> None:
    """With ``split_ground_truth: False``, polygons learn and validate."""
    write_inputs(tmp_path, sides=[BOTH] * COUNT)
    found = predict(tmp_path)["label"].to_numpy()
    wrong = [WRONG_LEARNING, WRONG_VALIDATION]
    assert found[wrong].tolist() == TRUTH[wrong].tolist()
    assert (found == TRUTH).mean() > 0.9


def test_a_segment_whose_polygons_are_in_several_folds_has_no_prediction(tmp_path: Path) -> None:
    """Each learning segment of class 7 has pixels in all learning polygons of this class."""
    polygons = [k for k in range(40) if DECLARED[k] == 7]
    parts = [(k, k) for k in range(COUNT) if k not in polygons] + [(k, other) for k in polygons for other in polygons]
    write_inputs(tmp_path, parts=sorted(parts))
    found = predict(tmp_path)
    assert (found.loc[polygons, "label"] == 0).all()
    assert (found.drop(polygons)["label"] == TRUTH[found.drop(polygons).index]).all()


def test_a_class_of_one_polygon_has_no_prediction(tmp_path: Path) -> None:
    declared = np.where(np.arange(COUNT) == 3, 9, 7)
    write_inputs(tmp_path, declared=declared)
    assert predict(tmp_path)["label"].tolist() == np.where(np.arange(COUNT) == 3, 0, 7).tolist()


def list_doubtful(folder: Path, proj: str = CRS) -> gpd.GeoDataFrame:
    polygons = [shapely.box(10 * k, 0, 10 * k + 10, 10) for k in range(COUNT)]
    table = gpd.GeoDataFrame({"segment": np.arange(1, COUNT + 1) + LARGE}, geometry=polygons, crs=CRS)
    write_polygons(table[:0], [table[:20], table[20:]], folder / "polygons.parquet")
    inp = {
        "classes": "classes.json",
        "labels": "labels.csv",
        "predictions": several("region submodel seed source", {("1", "", 0, ""): "predictions.npz"}),
        "tables": several("tile", {"T": "T.npz"}),
        "polygons": several("tile", {"T": "polygons.parquet"}),
    }
    params = doubtful.DoubtfulParams(proj)
    run(
        doubtful.STEP,
        folder,
        inp,
        {"layer": "doubtful.gpkg", "style": "doubtful.qml"},
        key=Key.of(seed=0),
        params=params,
    )
    return gpd.read_file(folder / "doubtful.gpkg", layer="doubtful_segments")


def test_wrong_labels_are_listed_with_their_polygons_and_probabilities(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    predicted, found = predict(tmp_path), list_doubtful(tmp_path)
    found = found.sort_values("segment", ignore_index=True)
    assert 'attr="predicted_code"' in (tmp_path / "doubtful.qml").read_text(encoding="utf-8")
    names = {"W": "wheat", "M": "maize"}
    for row, k in zip(found.itertuples(), (WRONG_LEARNING, WRONG_VALIDATION), strict=True):
        declared, expected = {7: "WM", 9: "MW"}[int(DECLARED[k])]
        assert (row.segment, row.tile, row.side, row.pixels) == (k + 1 + LARGE, "T", SIDES[k], PIXELS[k])
        assert (row.declared, row.declared_name) == (declared, names[declared])
        assert (row.predicted, row.predicted_name) == (expected, names[expected])
        assert row.predicted_code == TRUTH[k]
        assert row.declared_probability == pytest.approx(predicted.loc[k, f"p{DECLARED[k]}"])
        assert row.predicted_probability == pytest.approx(predicted.loc[k, f"p{TRUTH[k]}"])
        assert row.geometry.bounds == (10 * k, 0, 10 * k + 10, 10)


def test_doubtful_segments_are_sorted_by_the_probability_of_their_class(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    rng = np.random.default_rng(1)
    shares = rng.dirichlet([1, 1], COUNT).astype(np.float32)
    label = np.array([7, 9])[shares.argmax(axis=1)]
    label[::7] = 0
    numbers = np.arange(1, COUNT + 1)
    LabelPredictions(np.full(COUNT, "T"), numbers, SIDES.astype(str), label, shares).write(tmp_path / "predictions.npz")
    found = list_doubtful(tmp_path)
    expected = np.flatnonzero((label != 0) & (label != DECLARED))
    order = np.argsort(shares[expected, np.searchsorted([7, 9], DECLARED[expected])], kind="stable")
    assert (found["segment"] - LARGE - 1).tolist() == expected[order].tolist()


def test_a_run_without_doubtful_segments_has_an_empty_layer(tmp_path: Path) -> None:
    write_inputs(tmp_path, declared=TRUTH)
    predict(tmp_path)
    found = list_doubtful(tmp_path, "EPSG:2154")
    assert found.empty
    assert found.crs == "EPSG:2154"
    assert {"declared", "predicted_name", "side"} <= set(found.columns)


def test_a_model_without_samples_gives_no_prediction_and_no_doubtful_segment(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    reason = "there is no segment to learn from"
    model = model_without_samples("rf", LEARNER.parameters, recipe=OBJECTS, seed=0, region="1", reason=reason)
    save_model(model, tmp_path / "empty", tmp_path / "card.txt")
    (tmp_path / "model").rename(tmp_path / "other")
    (tmp_path / "empty").rename(tmp_path / "model")
    assert predict(tmp_path).empty
    assert list_doubtful(tmp_path).empty
