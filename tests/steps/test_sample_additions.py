"""Steps that copy samples between models, and that add samples of small classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from iota2.compute.sample_copies import Copy
from iota2.config.options.train import SampleAugmentation
from iota2.core.graph import Key
from iota2.core.tables import AUGMENTED, CODE, ORIGIN, sample_columns
from iota2.errors import InputError
from iota2.io.tables.augmentation_counts import read_augmentation
from iota2.io.tables.sample_rules import read_copy_counts
from iota2.io.tables.samples import read_columns
from iota2.io.tables.vectors import read_samples, write_samples
from iota2.steps.sampling import augmentation, copying
from tests.steps.helpers import RECIPE, frame, run, several, write_codes, write_recipe

NAMES = sample_columns(RECIPE)
FORMATS = (".sqlite", ".parquet")
SIZES = {"north": {1: 12, 2: 3}, "south": {1: 2, 2: 20}, "west": {1: 5}}
"""Samples of each class of three models."""


def write_model(folder: Path, region: str, suffix: str) -> str:
    """Samples of one model: pixels in a row, three of them in each polygon."""
    codes = np.repeat(list(SIZES[region]), list(SIZES[region].values()))
    rng = np.random.default_rng(len(region))
    values = rng.normal(size=(len(codes), len(NAMES))).astype(np.float32) * 500
    north = [*SIZES].index(region) * 1000
    points = gpd.points_from_xy(10.0 * np.arange(len(codes)), np.full(len(codes), float(north)))
    columns: dict[str, Any] = {"region": region, CODE: codes, ORIGIN: north + np.arange(len(codes)) // 3}
    samples = frame(points, **columns, **dict(zip(NAMES, values.T, strict=True)))
    write_samples(samples, folder / f"{region}{suffix}")
    return f"{region}{suffix}"


def copy(folder: Path, rules: str, suffix: str, seed: int = 0) -> dict[str, gpd.GeoDataFrame]:
    """Samples of each model after the copies of ``rules``."""
    (folder / "rules.csv").write_text(rules, encoding="utf-8")
    tables = {region: write_model(folder, region, suffix) for region in SIZES}
    out = {region: f"{region}_copied{suffix}" for region in SIZES}
    run(
        copying.STEP,
        folder,
        {"samples": several("region", tables), "classes": write_codes(folder)},
        {"copied": several("region", out), "counts": "copies.csv"},
        key=Key.of(seed=seed),
        params=copying.CopyingParams(folder / "rules.csv", 7),
    )
    return {region: read_samples(folder / name) for region, name in out.items()}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_model_gets_samples_of_another_one_with_their_polygons(tmp_path: Path, suffix: str) -> None:
    found = copy(tmp_path, "north,south,1,4\nsouth,west,2,-1\n", suffix)
    north, south = (read_samples(tmp_path / f"{region}{suffix}") for region in ("north", "south"))
    assert len(found["north"]) == 15
    copied = found["south"].iloc[22:]
    assert copied[CODE].tolist() == [1] * 4
    assert set(copied["region"]) == {"north"}
    own = north[north[CODE] == 1].set_index(north.geometry[north[CODE] == 1].to_wkb())
    for _, row in copied.iterrows():
        original = own.loc[row.geometry.wkb]
        assert row[[ORIGIN, *NAMES]].tolist() == original[[ORIGIN, *NAMES]].tolist()
    assert found["south"].iloc[:22][CODE].tolist() == south[CODE].tolist()
    assert found["west"][CODE].tolist() == [1] * 5 + [2] * 20
    counts = {count.rule: count for count in read_copy_counts(tmp_path / "copies.csv")}
    assert [counts[Copy("north", "south", 1, 4)].copied, counts[Copy("south", "west", 2, -1)].copied] == [4, 20]


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_order_of_rules_and_copies_of_other_rules_do_not_matter(tmp_path: Path, suffix: str) -> None:
    rules = ["north,south,1,-1", "south,west,1,3", "west,south,1,2", "south,north,2,7"]
    outputs = []
    for order in (rules, rules[::-1]):
        folder = tmp_path / str(len(outputs))
        folder.mkdir()
        found = copy(folder, "\n".join(order), suffix)
        assert found["west"][CODE].tolist() == [1] * (5 + 2)  # the two samples of south before any copy
        outputs.append({path.name: path.read_bytes() for path in folder.glob("*_copied*")})
        outputs[-1]["copies"] = (folder / "copies.csv").read_bytes()
    assert outputs[0] == outputs[1]
    other = tmp_path / "other seed"
    other.mkdir()
    copy(other, "\n".join(rules), suffix, seed=1)
    assert (other / f"north_copied{suffix}").read_bytes() != outputs[0][f"north_copied{suffix}"]


def test_a_pixel_is_in_a_model_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A rule that brings pixels of the destination itself, which another model also has."""
    (tmp_path / "rules.csv").write_text("north,south,1,-1\nwest,south,1,-1\nwest,south,2,9\nnowhere,south,1,1\n")
    tables = {region: write_model(tmp_path, region, ".sqlite") for region in SIZES}
    shared = read_samples(tmp_path / "north.sqlite").iloc[:4].copy()
    write_samples(shared, tmp_path / "west.sqlite")
    run(
        copying.STEP,
        tmp_path,
        {"samples": several("region", tables), "classes": write_codes(tmp_path)},
        {"copied": several("region", {"south": "found.sqlite"}), "counts": "copies.csv"},
        key=Key.of(seed=0),
        params=copying.CopyingParams(tmp_path / "rules.csv", 7),
    )
    found = read_samples(tmp_path / "found.sqlite")
    assert len(found) == 22 + 12
    assert not found.geometry.to_wkb().duplicated().any()
    assert [(c.available, c.copied, c.same_place) for c in read_copy_counts(tmp_path / "copies.csv")] == [
        (12, 12, 0),
        (4, 0, 4),
        (0, 0, 0),
    ]
    assert "no region or model 'nowhere'" in caplog.text
    assert "requests 9 samples of class 2 of model west: it has none" in caplog.text


def test_a_split_region_gives_samples_of_all_its_models_and_each_gets_copies(tmp_path: Path) -> None:
    """The second model of the region in the south has two pixels of the first one; these count once."""
    (tmp_path / "rules.csv").write_text("south,north,2,-1\nnorth,south,1,4\nsouth,southf2,2,-1\n", encoding="utf-8")
    names = {("north", ""): "north", ("south", "f1"): "south", ("south", "f2"): "west"}
    tables = {key: write_model(tmp_path, name, ".sqlite") for key, name in names.items()}
    first = read_samples(tmp_path / "south.sqlite")
    own = read_samples(tmp_path / "west.sqlite").assign(**{CODE: 2})
    write_samples(pd.concat([own, first[first[CODE] == 2].iloc[:2]], ignore_index=True), tmp_path / "west.sqlite")
    out = {key: f"{name}_copied.sqlite" for key, name in names.items()}
    run(
        copying.STEP,
        tmp_path,
        {"samples": several("region submodel", tables), "classes": write_codes(tmp_path)},
        {"copied": several("region submodel", out), "counts": "copies.csv"},
        key=Key.of(seed=0),
        params=copying.CopyingParams(tmp_path / "rules.csv", 7),
    )
    found = {name: read_samples(tmp_path / f"{name}_copied.sqlite") for name in names.values()}
    copied = found["north"].iloc[15:]
    assert len(copied) == 20 + 5
    assert not copied.geometry.to_wkb().duplicated().any()
    assert set(copied.geometry.to_wkb()) == {*first[first[CODE] == 2].geometry.to_wkb(), *own.geometry.to_wkb()}
    assert found["south"].iloc[22:][CODE].tolist() == [1] * 4
    assert sorted(found["west"].iloc[7:][CODE]) == [1] * 4 + [2] * 18
    counts = {count.rule: (count.available, count.copied) for count in read_copy_counts(tmp_path / "copies.csv")}
    assert counts == {
        Copy("south", "north", 2, -1): (25, 25),
        Copy("north", "southf1", 1, 4): (12, 4),
        Copy("north", "southf2", 1, 4): (12, 4),
        Copy("south", "southf2", 2, -1): (20, 18),
    }


def augment(folder: Path, options: dict[str, Any], suffix: str = ".sqlite", region: str = "north") -> gpd.GeoDataFrame:
    """Samples of a model after the augmentation."""
    inp = {
        "samples": write_model(folder, region, suffix),
        "recipe": write_recipe(folder),
        "classes": write_codes(folder),
    }
    given = SampleAugmentation.model_validate({"activate": True} | options)
    run(
        augmentation.STEP,
        folder,
        inp,
        {"augmented": f"augmented{suffix}", "counts": "counts.csv"},
        key=Key.of(region=region, seed=0),
        params=augmentation.AugmentationParams(given, 3),
    )
    return read_samples(folder / f"augmented{suffix}")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("strategy", ["replicate", "jitter", "smote"])
def test_small_classes_get_samples_in_the_polygons_of_their_parents(tmp_path: Path, suffix: str, strategy: str) -> None:
    found = augment(tmp_path, {"strategy": strategy, "samples.strategy": "balance"}, suffix)
    own = read_samples(tmp_path / f"north{suffix}")
    assert found[CODE].value_counts().to_dict() == {1: 12, 2: 12}
    np.testing.assert_array_equal(found[NAMES].iloc[:15], own[NAMES])
    assert found[AUGMENTED].tolist() == [0] * 15 + [1] * 9
    new, parents = found.iloc[15:], own[own[CODE] == 2]
    assert set(new[ORIGIN]) <= set(parents[ORIGIN])
    assert set(new.geometry.to_wkb()) <= set(parents.geometry.to_wkb())
    assert read_augmentation(tmp_path / "counts.csv") == {1: 0, 2: 9}
    same = new[NAMES].apply(tuple, axis=1).isin(parents[NAMES].apply(tuple, axis=1))
    assert same.all() if strategy == "replicate" else not same.any()


def test_only_target_models_get_samples(tmp_path: Path) -> None:
    options = {"strategy": "smote", "samples.strategy": "minNumber", "samples.strategy.minNumber": 50}
    assert len(augment(tmp_path, options | {"target_models": ["south"]})) == 15
    assert len(augment(tmp_path, options | {"target_models": ["south", "north"]})) == 100
    assert SampleAugmentation.model_validate({"target_models": "north"}).targets("northf2", "north")


def test_a_table_gives_the_number_of_samples_of_some_classes(tmp_path: Path) -> None:
    (tmp_path / "wanted.csv").write_text("2,8\n", encoding="utf-8")
    options = {"strategy": "jitter", "samples.strategy": "byClass", "samples.strategy.byClass": tmp_path / "wanted.csv"}
    assert augment(tmp_path, options)[CODE].value_counts().to_dict() == {1: 12, 2: 8}
    (tmp_path / "wanted.csv").write_text("3,8\n", encoding="utf-8")
    with pytest.raises(InputError, match="label '3' is not in the reference data"):
        augment(tmp_path, options)


def test_a_single_sample_is_copied_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(SIZES, "north", {1: 4, 2: 1})
    found = augment(tmp_path, {"strategy": "smote", "samples.strategy": "balance"})
    values = read_columns(tmp_path / "augmented.sqlite", NAMES)[found[CODE] == 2]
    np.testing.assert_array_equal(values, np.repeat(values[:1], 4, axis=0))
    assert "class 2 has a single sample, which is copied" in caplog.text
