"""Validation pixels with their features, and the importance of dates, bands and sensors of a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from iota2.classifiers import save_model, train_model, validate_options
from iota2.core.graph import Key, Resources
from iota2.core.importance import importance_from_json
from iota2.core.tables import CODE, ORIGIN, WEIGHT, sample_columns
from iota2.io.tables.vectors import read_samples, write_samples, write_sqlite
from iota2.steps.sampling import validation_samples
from iota2.steps.validation import importance
from tests.steps.helpers import CRS, DAYS, RECIPE, TILE, area, frame, run, several, write_recipe, write_scene

MODEL = Key.of(region="1", seed=0)
FORMATS = (".sqlite", ".parquet")


def extract(folder: Path, suffix: str, most: int, use: Resources | None = None) -> dict[tuple[str, int], str]:
    """Run the step for two regions and two seeds on a tile; the red band is the column, the last row is not clear."""
    red = np.tile(np.arange(8), (6, 1))
    cloud = np.where(np.arange(6)[:, None] == 5, 1, np.zeros((6, 8), int))
    images = {day: {"RED": red + 100 * k, "NIR": 3000, "CLOUD": cloud} for k, day in enumerate(DAYS)}
    fields = [area((0, 6), (0, 2)), area((0, 2), (3, 7)), area((4, 5), (3, 5)), area((0, 6), (7, 8))]
    columns = {"originfid": [3, 4, 5, 6], "i2label": [1, 2, 2, 1], "region": ["1", "1", "1", "2"]}
    write_sqlite(frame(fields, **columns), folder / "first.sqlite")
    write_sqlite(frame(fields[:1], originfid=[3], i2label=[1], region=["1"]), folder / "second.sqlite")
    inp = {
        "scene": write_scene(folder, images),
        "recipe": write_recipe(folder),
        "polygons": several("seed", {0: "first.sqlite", 1: "second.sqlite"}),
    }
    names = {(region, seed): f"{region}_{seed}{suffix}" for region in "12" for seed in (0, 1)}
    params = validation_samples.ValidationSampleParams(0, most)
    out = {"samples": several("region seed", names)}
    run(validation_samples.STEP, folder, inp, out, key=Key.of(tile=TILE), params=params, use=use)
    return names


@pytest.mark.parametrize("suffix", FORMATS)
def test_all_clear_validation_pixels_of_each_model_if_there_are_few(tmp_path: Path, suffix: str) -> None:
    names = extract(tmp_path, suffix, 1000)
    found = {key: read_samples(tmp_path / name) for key, name in names.items()}
    assert {key: len(table) for key, table in found.items()} == {
        ("1", 0): 10 + 8 + 2, ("1", 1): 10, ("2", 0): 5, ("2", 1): 0,
    }  # fmt: skip
    table = found["1", 0]
    assert table.crs == CRS
    assert table[ORIGIN].value_counts().to_dict() == {3: 10, 4: 8, 5: 2}
    assert set(table.loc[table[CODE] == 2, ORIGIN]) == {4, 5}
    assert set(table[WEIGHT]) == {1.0}
    columns = ((table.geometry.x - 300_000) // 10).to_numpy()
    np.testing.assert_array_equal(table["small_red_20180101"], columns)
    np.testing.assert_array_equal(table["small_red_20180121"], columns + 200)
    assert list(found["2", 1].columns) == list(table.columns)


def test_of_many_pixels_each_polygon_gives_as_many_and_they_represent_all(tmp_path: Path) -> None:
    names = extract(tmp_path, ".sqlite", 4)
    table = read_samples(tmp_path / names["1", 0])
    of_class = table[table[CODE] == 2]
    assert of_class[ORIGIN].value_counts().to_dict() == {4: 2, 5: 2}
    assert of_class.groupby(ORIGIN)[WEIGHT].sum().to_dict() == {4: 8, 5: 2}
    (tmp_path / "again").mkdir()
    extract(tmp_path / "again", ".sqlite", 4, Resources(threads=2, block_shape=(2, 3)))
    for name in names.values():
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_limit_is_shared_by_the_tiles() -> None:
    assert [validation_samples.most_pixels(tiles) for tiles in (1, 3, 1000)] == [1000, 334, 20]


def write_validation(folder: Path, count: int, name: str, suffix: str) -> str:
    """Validation pixels whose class depends on the red band of the second date."""
    rng = np.random.default_rng(len(name))
    x = rng.normal(0, 500, (count, 6)).astype(np.float32)
    columns = dict(zip(sample_columns(RECIPE), x.T, strict=True))
    codes = np.where(x[:, 2] > 0, 2, 1)
    points = [area((0, 1), (0, 1)).centroid] * count
    table = frame(points, **{CODE: codes, ORIGIN: np.arange(count) % 9, WEIGHT: np.full(count, 2.0)}, **columns)
    write_samples(table, folder / f"{name}{suffix}")
    return f"{name}{suffix}"


def write_model(folder: Path) -> str:
    x = np.random.default_rng(0).normal(0, 500, (500, 6)).astype(np.float32)
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 20})
    model = train_model("rf", parameters, x, np.where(x[:, 2] > 0, 2, 1), recipe=RECIPE, seed=0, region="1", threads=1)
    save_model(model, folder / "model", folder / "card.txt")
    return "model"


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_importance_shows_the_date_and_band_that_the_classes_depend_on(tmp_path: Path, suffix: str) -> None:
    tiles = {name: write_validation(tmp_path, count, name, suffix) for name, count in (("A", 300), ("BB", 60))}
    inp = {"model": write_model(tmp_path), "samples": several("tile", tiles)}
    params = importance.ImportanceParams(0)
    for name, threads in (("found.json", 1), ("again.json", 2)):
        use = Resources(threads=threads)
        run(importance.STEP, tmp_path, inp, {"importance": name}, key=MODEL, params=params, use=use)
    assert (tmp_path / "found.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    found = importance_from_json(json.loads((tmp_path / "found.json").read_text(encoding="utf-8")))
    assert (found.region, found.seed, found.pixels, found.represented, found.polygons) == ("1", 0, 360, 720, 9)
    assert found.accuracy > 0.9
    losses = {kind: {one.name: one.loss for one in groups} for kind, groups in found.groups.items()}
    assert list(losses["date"]) == ["20180101", "20180111", "20180121"]
    assert losses["date"]["20180111"] > 0.3
    assert max(losses["date"]["20180101"], losses["date"]["20180121"]) < 0.05
    assert losses["sensor_band"]["Small RED"] > 0.3 > losses["sensor_band"]["Small NIR"]
    assert list(losses["sensor"]) == ["Small"]
    assert all(0 < one.error < 0.1 for one in found.groups["date"] if one.loss > 0.1)


def test_without_validation_pixels_the_importance_is_unknown(tmp_path: Path) -> None:
    tiles = {"A": write_validation(tmp_path, 0, "A", ".sqlite")}
    inp = {"model": write_model(tmp_path), "samples": several("tile", tiles)}
    params = importance.ImportanceParams(0)
    run(importance.STEP, tmp_path, inp, {"importance": "found.json"}, key=MODEL, params=params)
    content = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert content["pixels"] == 0
    assert content["overall_accuracy"] is None
    assert {one["loss"] for one in content["date"]} == {None}
