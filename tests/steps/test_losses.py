"""Losses of reference data between polygons and samples, and their reasons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from iota2.compute.sampling import BOTH
from iota2.compute.segments import SegmentCounts
from iota2.core.graph import JobContext, Key, MultiplePaths, Paths, Resources
from iota2.core.losses import SELECTED, Amount, ClassLosses, losses_csv, losses_line
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import CODE, FUSION, LEARN, VALIDATION
from iota2.errors import InputError
from iota2.io.tables.class_counts import read_class_counts
from iota2.io.tables.class_statistics import read_class_statistics
from iota2.io.tables.classes import write_classes
from iota2.io.tables.polygon_losses import read_losses_csv, write_class_losses
from iota2.io.tables.rates import losses, rates_csv
from iota2.io.tables.segment_labels import BOTH_SIDES, COLUMNS, NO_MAJORITY, write_segment_labels
from iota2.io.tables.segments import LabelledParts, Segments, SharedSegments
from iota2.io.tables.vectors import read_vector, write_samples, write_shapefile
from iota2.steps.labelled_parts import SegmentParts
from iota2.steps.sampling import class_statistics
from iota2.steps.sampling.selection import nothing_selected
from iota2.steps.segment_losses import losses_before_selection

AFTER_SPLIT = ("no_segment", "both_sides", "no_majority", "other_class", *SELECTED)
"""Reasons and stage to which the learning pixels of a class add up, in runs on segments."""
CLASSES = Nomenclature((11, 12, 31), ("a", "b", "c"), ((1, 1, 1),) * 3, (11, 12, 31))


def found(targets: dict[int, int], available: dict[int, int], learned: dict[int, int]):
    selected = pd.DataFrame({CODE: [code for code, count in targets.items() for _ in range(count)]})
    return losses(rates_csv(targets, available, selected), learned, "have no clear date")


def test_each_class_without_samples_has_a_reason():
    lost = found({11: 10, 12: 0, 31: 4, 41: 0}, {11: 100_000, 12: 400, 31: 4, 41: 0}, {11: 10})
    assert list(lost.reasons) == [12, 31, 41]
    assert "selects no pixel" in lost.reasons[12]
    assert lost.reasons[31] == "its selected pixels have no clear date"
    assert "contain no pixel centre" in lost.reasons[41]
    rates = "#className,requiredSamples,totalSamples,rate\n12,0,9,0\n31,4,4,1\n"
    of_segments = losses(rates, {}, "have no clear date", "sample").reasons
    assert of_segments[31] == "its selected samples have no clear date"
    assert "selects no sample" in of_segments[12]


def test_selected_pixels_that_are_never_clear_are_counted():
    lost = found({11: 10, 12: 5}, {11: 10, 12: 9}, {11: 7, 12: 5})
    assert (dict(lost.reasons), lost.unclear, lost.selected) == ({}, 3, 15)


def test_there_are_no_losses_if_all_selected_pixels_are_learned():
    assert found({11: 10}, {11: 10}, {11: 10}).unclear == 0
    assert losses("#className,requiredSamples,totalSamples,rate\n", {}, "").reasons == {}


def test_pixels_above_the_maximum_per_class_are_counted_separately():
    selected = pd.DataFrame({CODE: [11] * 10 + [12] * 5})
    lost = losses(rates_csv({11: 10, 12: 5}, {11: 100, 12: 5}, selected, {11: 70}), {11: 10, 12: 5}, "")
    assert (dict(lost.reasons), lost.unclear, lost.selected, dict(lost.left_out)) == ({}, 0, 15, {11: 70})
    assert found({11: 10}, {11: 100}, {11: 10}).left_out == {}


def job_of(folder: Path) -> JobContext:
    """A job with two regions and two tiles: three polygons of class 11, one of class 12, and two of class 31."""
    paths = {"samples": {}, "rates": {}}
    rates = {
        "a, b": rates_csv({11: 4, 31: 1}, {11: 20, 31: 1}, pd.DataFrame({CODE: [11] * 4 + [31]}), {11: 6}),
        "c": rates_csv({12: 1}, {12: 1}, pd.DataFrame({CODE: [12]})),
    }
    for region, codes in {"a, b": [11, 11, 31], "c": [12]}.items():
        paths["samples"][(region,)], paths["rates"][(region,)] = f"{region}.parquet", f"{region}.csv"
        points = gpd.points_from_xy(range(len(codes)), codes, crs="EPSG:2154")
        write_samples(gpd.GeoDataFrame({CODE: codes}, geometry=points), folder / f"{region}.parquet")
        (folder / f"{region}.csv").write_text(rates[region])
    sides = ["learn", "validation", "learn", "learn", "unused", "learn"]
    table = {"originfid": range(6), CODE: [11, 11, 11, 12, 31, 31], "region": "c", "seed_0": sides}
    squares = [shapely.box(20 * k, 0, 20 * k + 10, 10) for k in range(6)]
    write_shapefile(gpd.GeoDataFrame(table, geometry=squares, crs="EPSG:2154"), folder / "reference.shp")
    (folder / "west.csv").write_text("originfid,pixels\n0,11\n1,30\n2,0\n")
    (folder / "east.csv").write_text("originfid,pixels\n0,9\n3,1\n5,1\n")
    lost = [ClassLosses(11, "11", {"drawn": Amount(5, 100), "outside_tiles": Amount(2, 40)})]
    write_class_losses(lost, folder / "lost.json")
    write_classes(CLASSES, folder / "codes.json")
    inputs = {name: MultiplePaths(("region",), found) for name, found in paths.items()} | {
        "pixels": MultiplePaths(("tile",), {("west",): "west.csv", ("east",): "east.csv"}),
        "reference": "reference.shp",
        "losses": "lost.json",
        "classes": "codes.json",
    }
    outputs = {"statistics": "statistics.csv", "losses": "losses.csv"}
    return JobContext(Paths(folder, inputs), Paths(folder, outputs), Key.of(seed=0), None, Resources())


def test_samples_of_a_region_are_read_back_with_0_for_classes_of_others(tmp_path: Path):
    class_statistics.run(job_of(tmp_path))
    out = tmp_path / "statistics.csv"
    assert read_class_statistics(out, "a, b") == {11: 2, 12: 0, 31: 1}
    assert read_class_statistics(out, "c") == {11: 0, 12: 1, 31: 0}


def test_pixels_that_a_model_borrows_from_others_of_its_region_are_counted_once(tmp_path: Path):
    job = job_of(tmp_path)
    class_statistics.run(job)
    expected = (tmp_path / "losses.csv").read_text()
    rates = rates_csv({11: 20}, {11: 20, 31: 1}, pd.DataFrame({CODE: [11] * 20}), borrowed=True)
    (tmp_path / "d.csv").write_text(rates)
    points = gpd.points_from_xy(range(20), range(20), crs="EPSG:2154")
    write_samples(gpd.GeoDataFrame({CODE: [11] * 20}, geometry=points), tmp_path / "d.parquet")
    models = ("a, b", "c", "d")
    paths = {
        name: MultiplePaths(("region",), {(model,): f"{model}.{suffix}" for model in models})
        for name, suffix in {"samples": "parquet", "rates": "csv"}.items()
    }
    class_statistics.run(replace(job, inp=Paths(tmp_path, {**job.inp.bound, **paths})))
    assert (tmp_path / "losses.csv").read_text() == expected
    assert read_class_statistics(tmp_path / "statistics.csv", "d") == {11: 20, 12: 0, 31: 0}


def test_losses_of_polygons_are_counted_by_class_and_reason(tmp_path: Path):
    class_statistics.run(job_of(tmp_path))
    found = {fate.code: fate for fate in read_losses_csv(tmp_path / "losses.csv")}
    assert dict(found[11].losses) == {
        "outside_tiles": Amount(2, 40),
        "no_pixel": Amount(1, 0),
        "selection": Amount(0, 10),
        "max_samples": Amount(0, 6),
        "no_clear_date": Amount(0, 2),
    }
    stages = {what: found[11].of(what) for what in ("drawn", "usable", "learning", "validation", "samples")}
    assert stages == {
        "drawn": Amount(5, 100),
        "usable": Amount(2, 50),
        "learning": Amount(1, 20),
        "validation": Amount(1, 30),
        "samples": Amount(0, 2),
    }
    assert (found[12].of("samples"), found[31].of("samples")) == (Amount(0, 1), Amount(0, 1))


def test_polygons_reserved_for_the_fusion_of_runs_are_counted(tmp_path: Path):
    job = job_of(tmp_path)
    reference = read_vector(tmp_path / "reference.shp")
    reference.loc[reference.originfid == 1, "seed_0"] = FUSION
    write_shapefile(reference, tmp_path / "reference.shp")
    class_statistics.run(job)
    found = {fate.code: fate for fate in read_losses_csv(tmp_path / "losses.csv")}
    assert (found[11].of("reserved"), found[11].of("validation")) == (Amount(1, 30), Amount())
    assert "0 for validation, 30 reserved for the fusion of runs; lost" in losses_line(found[11], "a")
    assert "reserved" not in losses_line(found[12], "b")


def test_samples_and_losses_add_up_to_the_learning_pixels(tmp_path: Path):
    class_statistics.run(job_of(tmp_path))
    for fate in read_losses_csv(tmp_path / "losses.csv"):
        after = sum(fate.of(what).pixels for what in SELECTED)
        assert after == fate.of("learning").pixels


def labelled_parts() -> SegmentParts:
    """Seven segments with parts of polygons 0 to 3; polygons 0, 2 and 3 learn, 1 validates."""
    rows = [
        # segment, polygon, class, side, pixels
        (0, 0, 11, LEARN, 6),
        (0, 3, 12, LEARN, 2),
        (1, 0, 11, LEARN, 3),
        (1, 1, 11, VALIDATION, 4),
        (2, 0, 11, LEARN, 2),
        (2, 3, 12, LEARN, 2),
        (3, 3, 12, LEARN, 5),
        (4, 1, 11, VALIDATION, 9),
        (5, 2, 11, BOTH, 1),
    ]
    segment, polygon, code, side, pixels = map(np.array, zip(*rows, strict=True))
    places = pd.DataFrame({"tile": "T", "number": range(1, 7), "region": 0})
    return SegmentParts(segment, polygon, code, side, pixels, places)


def segment_table() -> pd.DataFrame:
    rows = [
        ("T", 1, 0, LEARN, 11, 0, 8, 0.75, ""),
        ("T", 2, 0, LEARN, 11, 0, 3, 1.0, BOTH_SIDES),
        ("T", 3, 0, LEARN, 0, -1, 4, 0.5, NO_MAJORITY),
        ("T", 4, 0, LEARN, 12, 3, 5, 1.0, ""),
        ("T", 6, 0, LEARN, 11, 2, 1, 1.0, ""),
        ("T", 2, 0, VALIDATION, 11, 1, 4, 1.0, ""),
        ("T", 5, 0, VALIDATION, 11, 1, 9, 1.0, ""),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_learning_pixels_outside_segments_and_in_segments_of_another_class_are_lost():
    """Ties have no class, so their pixels count in the classes of their polygons."""
    lost = losses_before_selection(labelled_parts(), segment_table(), {11: 20, 12: 9, 31: 4})
    assert lost[11] == {
        "no_segment": Amount(pixels=20 - 12),
        "both_sides": Amount(pixels=3, segments=1),
        "no_majority": Amount(pixels=2, segments=1),
    }
    assert lost[12] == {
        "no_segment": Amount(),
        "no_majority": Amount(pixels=2, segments=1),
        "other_class": Amount(pixels=2, segments=1),
    }
    assert lost[31] == {"no_segment": Amount(pixels=4)}


def test_classes_without_learning_pixels_have_no_losses():
    assert list(losses_before_selection(labelled_parts(), segment_table(), {12: 9})) == [12]


def test_without_labelled_parts_all_learning_pixels_are_outside_segments():
    parts, none = labelled_parts(), np.zeros(0, np.int64)
    empty = SegmentParts(none, none, none, none.astype(str), none, parts.places.iloc[:0])
    assert losses_before_selection(empty, segment_table().iloc[:0], {11: 7}) == {11: {"no_segment": Amount(pixels=7)}}


def test_losses_of_runs_on_segments_are_those_of_all_models(tmp_path: Path):
    """Twelve of the 20 learning pixels of class 11, and all of class 12, are in four segments; two models."""
    job = job_of(tmp_path)
    pixels, place = np.array([6, 3, 6, 1]), np.arange(4)
    counts = SegmentCounts(pixels, np.int16([0, 0, 1, 1]), place, pixels > 0, pixels)
    Segments.of(np.arange(1, 5), counts).write(tmp_path / "tile.npz")
    none = np.zeros(0, np.int64)
    SharedSegments(none, none.astype(str), none, none, none, none.astype(bool)).write(tmp_path / "shared.npz")
    LabelledParts(np.arange(1, 5), np.array([0, 0, 0, 3]), pixels, place).write(tmp_path / "parts.npz")
    rows = [
        ("west", 1, 0, LEARN, 11, 0, 6, 1.0, ""),
        ("west", 2, 0, LEARN, 11, 0, 3, 1.0, BOTH_SIDES),
        ("west", 3, 1, LEARN, 11, 0, 6, 1.0, ""),
        ("west", 4, 1, LEARN, 12, 3, 1, 1.0, ""),
    ]
    write_segment_labels(pd.DataFrame(rows, columns=COLUMNS), tmp_path / "labels.csv")
    first = {"samples": Amount(pixels=6, samples=1)}
    second = {"no_clear_date": Amount(pixels=6, samples=1)}, {"samples": Amount(pixels=1, samples=1)}
    models = {"a, b": [ClassLosses(11, "a", first, True)]}
    models["c"] = [ClassLosses(code, "a", one, True) for code, one in zip((11, 12), second, strict=True)]
    for region, found in models.items():
        (tmp_path / f"losses_{region}.csv").write_text(losses_csv(found))
    inputs = {
        "segments": "labels.csv",
        "shared": "shared.npz",
        "tables": MultiplePaths(("tile",), {("west",): "tile.npz"}),
        "parts": MultiplePaths(("tile",), {("west",): "parts.npz"}),
        "model_losses": MultiplePaths(("region",), {(name,): f"losses_{name}.csv" for name in models}),
    }
    class_statistics.run(replace(job, inp=Paths(tmp_path, {**job.inp.bound, **inputs})))
    losses = {one.code: one for one in read_losses_csv(tmp_path / "losses.csv")}
    after = {what: losses[11].of(what) for what in AFTER_SPLIT if losses[11].of(what)}
    assert after == {
        "no_segment": Amount(pixels=5),
        "both_sides": Amount(pixels=3, segments=1),
        "no_clear_date": Amount(pixels=6, samples=1),
        "samples": Amount(pixels=6, samples=1),
    }
    for one in losses.values():
        assert sum(one.of(what).pixels for what in AFTER_SPLIT) == one.of("learning").pixels
    assert losses[12].learned == 1


def test_a_run_in_which_no_model_has_samples_is_an_error(tmp_path: Path):
    job = job_of(tmp_path)
    for region in ("a, b", "c"):
        write_samples(gpd.GeoDataFrame({CODE: []}, geometry=[], crs="EPSG:2154"), tmp_path / f"{region}.parquet")
    with pytest.raises(InputError, match="Seed 0: no region has a segment to learn from with a clear date"):
        class_statistics.run(replace(job, inp=Paths(tmp_path, {**job.inp.bound, "segments": "labels.csv"})))


@pytest.mark.parametrize(
    ("available", "wanted", "message"),
    [
        ({}, {}, "no polygon is used for learning there"),
        ({11: 0, 12: 0}, {11: 0, 12: 0}, "no pixel centre lies in its learning polygons (classes 11, 12)"),
        (
            {11: 9, 12: 3},
            {11: 0, 12: 0},
            "sample_selection selects none of 12 pixels (requested by class: 11: 0, 12: 0)",
        ),
    ],
)
def test_a_model_without_pixels_fails_with_the_reason(available: dict, wanted: dict, message: str):
    assert message in nothing_selected("1", 0, available, wanted)


@pytest.mark.parametrize("name", ["0011", "11.0", " 11"])
def test_counts_by_class_accept_other_spellings_of_integer_labels(tmp_path: Path, name: str):
    (tmp_path / "counts.csv").write_text(f"{name},5\n12,3\n31,1\n")
    assert read_class_counts(tmp_path / "counts.csv", CLASSES) == ({"11": 5, "12": 3, "31": 1}, [])


def test_two_counts_for_one_label_are_an_error(tmp_path: Path):
    (tmp_path / "counts.csv").write_text("11,5\n011,3\n")
    with pytest.raises(InputError, match="labels '11' and '011' are the same number"):
        read_class_counts(tmp_path / "counts.csv", CLASSES)


def test_counts_by_class_accept_other_encodings_of_accents_and_spaces(tmp_path: Path):
    classes = Nomenclature((1,), ("a",), ((1, 1, 1),), ("Forêt dense",))
    (tmp_path / "counts.csv").write_text("Fore\u0302t\u00a0dense,5\n")
    assert read_class_counts(tmp_path / "counts.csv", classes) == ({"Forêt dense": 5}, [])


def test_counts_that_are_not_utf8_text_are_an_error_with_the_file_name(tmp_path: Path):
    path = tmp_path / "counts.csv"
    path.write_bytes("11,5\nété,5".encode("latin-1"))
    with pytest.raises(InputError, match=r"counts\.csv: is not UTF-8 text"):
        read_class_counts(path, CLASSES)
