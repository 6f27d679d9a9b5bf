"""Steps of the fusion of runs: methods, types, undecided pixels, polygons that validate it."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from iota2.compute.accuracy import confusion_matrix
from iota2.core.graph import Key, Resources
from iota2.core.nomenclature import Nomenclature
from iota2.errors import ConfigError
from iota2.io.files.atomic import write_text
from iota2.io.tables.classes import write_classes
from iota2.io.tables.confusions import confusion_csv, read_confusion
from iota2.io.tables.polygon_counts import read_polygon_counts
from iota2.io.tables.vectors import write_shapefile, write_sqlite
from iota2.steps.blocks import copy_shape
from iota2.steps.profiles import NO_PROBABILITY
from iota2.steps.validation import merge_runs, merge_runs_accuracy, merge_runs_confusion
from iota2.steps.validation.merge_runs import MergeRunsParams
from tests.steps.helpers import CLASSES, GRID, area, frame, read_raster, run, several, write_raster

RNG = np.random.default_rng(3)
MAPS = RNG.integers(0, 3, (3, *GRID.shape)).astype(np.uint8)
MAPS[:, 0] = 0
WIDE = Nomenclature((1, 300), ("wheat", "maize"), ((255, 0, 0), (0, 255, 0)), (1, 300))

inputs: dict[Path, tuple[Any, Any]] = {}
"""Inputs and outputs of the step, by folder."""


def merged(
    folder: Path,
    params: MergeRunsParams,
    *,
    classes: Nomenclature = CLASSES,
    maps: np.ndarray = MAPS,
    geobox: GeoBox = GRID,
    **more: Any,
) -> np.ndarray:
    """The labels of a fusion of ``maps``, written to ``folder``."""
    write_classes(classes, folder / "classes.json")
    maps = maps if classes is CLASSES else np.where(maps == 2, np.uint16(300), maps)
    codes = np.array(classes.codes)
    matrices = [[[9, 1], [2, 8]], [[5, 5], [4, 6]], [[7, 3], [0, 10]]]
    for seed, (labels, counts) in enumerate(zip(maps, matrices, strict=True)):
        write_raster(folder / f"{seed}.tif", labels, labels.dtype.name, geobox)
        shares = np.where(labels == 0, NO_PROBABILITY, np.where(codes[:, None, None] == labels, 700 + 50 * seed, 100))
        write_raster(folder / f"p{seed}.tif", shares.astype(np.uint16), "uint16", geobox, nodata=NO_PROBABILITY)
        rows, columns = np.repeat(codes, 2), np.tile(codes, 2)
        values = np.array(counts).ravel()
        matrix = confusion_matrix(np.repeat(rows, values), np.repeat(columns, values), classes.codes)
        write_text(folder / f"{seed}.csv", confusion_csv(matrix))
    inp = {
        "maps": several("seed", {seed: f"{seed}.tif" for seed in range(3)}),
        "confusions": several("seed", {seed: f"{seed}.csv" for seed in range(3)}),
        "classes": "classes.json",
    }
    names = {"map": "f.tif", "colors": "c.tif", "style": "f.qml", "colors_style": "c.qml"}
    if params.method == "mean":
        inp["probabilities"] = several("seed", {seed: f"p{seed}.tif" for seed in range(3)})
        names |= {"confidence": "conf.tif", "confidence_style": "conf.qml"}
    inputs[folder] = inp, names
    run(merge_runs.STEP, folder, inp, names, params=params, **more)
    np.testing.assert_array_equal(read_raster(folder / "f.tif"), read_raster(folder / "c.tif"))
    return read_raster(folder / "f.tif")


def again(folder: Path, params: MergeRunsParams, memory: int) -> None:
    """Run the step of ``merged`` again on the same files."""
    run(merge_runs.STEP, folder, *inputs[folder], params=params, use=Resources(memory=memory))


def votes(y: int, x: int) -> list[int]:
    return [int(one) for one in MAPS[:, y, x] if one]


def test_most_votes_with_undecided_pixels_named_and_coloured(tmp_path: Path) -> None:
    found = merged(tmp_path, MergeRunsParams("majorityvoting", 255, None))
    assert found.dtype == np.uint8
    for y, x in np.ndindex(found.shape):
        ones, twos = votes(y, x).count(1), votes(y, x).count(2)
        assert found[y, x] == (0 if not ones + twos else 255 if ones == twos else 1 if ones > twos else 2)
    assert {0, 1, 2, 255} == set(np.unique(found).tolist())
    with rasterio.open(tmp_path / "c.tif") as source:
        assert source.colormap(1)[255][:3] == (128, 128, 128)
        assert source.colormap(1)[1][:3] == (255, 0, 0)
    assert 'label="undecided"' in (tmp_path / "f.qml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("measure", "masses"), [("recall", [[0.9, 0.8], [0.5, 0.6], [0.7, 1.0]]), ("accuracy", None)])
def test_the_mass_of_a_run_is_a_measure_of_its_own_matrix(tmp_path: Path, measure: Any, masses: Any) -> None:
    found = merged(tmp_path, MergeRunsParams("dempstershafer", 255, measure))
    masses = masses or [[0.85] * 2, [0.55] * 2, [0.85] * 2]
    for y, x in np.ndindex(found.shape):
        doubts = [
            np.prod([1 - masses[k][c] for k in range(3) if MAPS[k, y, x] == c + 1], initial=1.0) for c in range(2)
        ]
        expected = 255 if abs(doubts[0] - doubts[1]) < 1e-12 else 1 + int(np.argmin(doubts))
        assert found[y, x] == (expected if votes(y, x) else 0)


def test_mean_probabilities_decide_every_pixel_and_give_a_confidence(tmp_path: Path) -> None:
    found, confidence = merged(tmp_path, MergeRunsParams("mean", None, None)), read_raster(tmp_path / "conf.tif")
    for y, x in np.ndindex(found.shape):
        shares = [
            np.array([0.7 + 0.05 * k if MAPS[k, y, x] == c else 0.1 for c in (1, 2)]) for k in range(3) if MAPS[k, y, x]
        ]
        means = np.mean(shares, axis=0) if shares else np.zeros(2)
        assert found[y, x] == (1 + means.argmax() if shares else 0)
        assert confidence[y, x] == pytest.approx(100 * means.max(), abs=0.501)
    assert "undecided" not in (tmp_path / "f.qml").read_text(encoding="utf-8")


@pytest.mark.parametrize("method", ["majorityvoting", "dempstershafer", "mean"])
def test_the_memory_of_a_job_does_not_change_the_result(tmp_path: Path, method: Any) -> None:
    measure, undecided = ("precision" if method == "dempstershafer" else None), (None if method == "mean" else 255)
    geobox = GRID.zoom_to((130, 200))
    maps = RNG.integers(0, 3, (3, *geobox.shape)).astype(np.uint8)
    found = []
    for name, memory in (("a", 256 << 20), ("b", 1)):
        (tmp_path / name).mkdir()
        given = MergeRunsParams(method, undecided, measure)
        found.append(merged(tmp_path / name, given, maps=maps, geobox=geobox, use=Resources(memory=memory)))
    assert copy_shape(Resources(memory=1), 1) == (64, 64)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("method", ["majorityvoting", "dempstershafer", "mean"])
def test_a_job_stays_within_its_memory(tmp_path: Path, method: Any) -> None:
    measure, undecided = ("precision" if method == "dempstershafer" else None), (None if method == "mean" else 255)
    geobox, memory = GRID.zoom_to((800, 1000)), 4 << 20
    maps = RNG.integers(0, 3, (3, *geobox.shape)).astype(np.uint8)
    given = MergeRunsParams(method, undecided, measure)
    merged(tmp_path, given, maps=maps, geobox=geobox)  # compiles, and writes the inputs
    whole, peaks = geobox.shape[0] * geobox.shape[1], []
    for limit in (256 << 20, memory):
        tracemalloc.start()
        again(tmp_path, given, limit)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert merge_runs.pixel_bytes(given, 3, 2) * whole > 2 * memory, "the map has several blocks"
    assert peaks[1] < 1.1 * memory < peaks[0]


def test_codes_above_255_and_labels_above_255_have_16_bits(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    found = merged(tmp_path / "a", MergeRunsParams("majorityvoting", 255, None), classes=WIDE)
    assert found.dtype == np.uint16
    assert {0, 1, 255, 300} == set(np.unique(found).tolist())
    (tmp_path / "b").mkdir()
    found = merged(tmp_path / "b", MergeRunsParams("majorityvoting", 400, None))
    assert found.dtype == np.uint16
    assert {0, 1, 2, 400} == set(np.unique(found).tolist())


def test_an_undecided_label_that_is_a_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="merge_run_undecidedlabel: 2 is the code of a class; give a number"):
        merged(tmp_path, MergeRunsParams("majorityvoting", 2, None))


@pytest.mark.parametrize("reserved", [True, False])
def test_all_maps_are_counted_on_the_same_polygons(tmp_path: Path, reserved: bool) -> None:
    fused = np.where(MAPS[0] == MAPS[1], MAPS[0], 255).astype(np.uint8)
    write_raster(tmp_path / "f.tif", fused)
    for seed in range(2):
        write_raster(tmp_path / f"{seed}.tif", MAPS[seed])
    shapes = [area((1, 3), (0, 4)), area((3, 6), (2, 8)), area((0, 1), (0, 1))]
    sides = ["fusion", "fusion", "learn"] if reserved else ["learn", "validation", "learn"]
    polygons = frame(shapes, originfid=[4, 9, 11], i2label=[1, 2, 1], region="1", seed_0=sides, seed_1=sides)
    write_shapefile(polygons, tmp_path / "reference.shp")
    write_shapefile(frame([area((0, 6), (0, 8))]), tmp_path / "envelope.shp")
    if reserved:
        write_sqlite(polygons[:2], tmp_path / "p.sqlite")
    run(
        merge_runs_confusion.STEP,
        tmp_path,
        {
            "fusion": "f.tif",
            "maps": several("seed", {0: "0.tif", 1: "1.tif"}),
            "envelope": "envelope.shp",
            "polygons": "p.sqlite" if reserved else "reference.shp",
            "reference": "reference.shp",
        },
        {"fusion": "f.csv", "runs": several("seed", {0: "0.csv", 1: "1.csv"})},
        key=Key.of(tile="A"),
        params=merge_runs_confusion.MergeRunsConfusionParams(reserved),
    )
    write_classes(CLASSES, tmp_path / "classes.json")
    run(
        merge_runs_accuracy.STEP,
        tmp_path,
        {
            "fusion": several("tile", {"A": "f.csv"}),
            "runs": several("tile seed", {("A", 0): "0.csv", ("A", 1): "1.csv"}),
            "reference": "reference.shp",
            "classes": "classes.json",
        },
        {
            "fusion": "sum.csv",
            "runs": several("seed", {0: "sum0.csv", 1: "sum1.csv"}),
            "confusion": "confusion.csv",
            "figure": "figure.png",
        },
        params=merge_runs_accuracy.MergeRunsAccuracyParams(255),
    )
    places = [(slice(1, 3), slice(0, 4)), (slice(3, 6), slice(2, 8)), (slice(0, 1), slice(0, 1))]
    for name, labels in (("sum", fused), ("sum0", MAPS[0]), ("sum1", MAPS[1])):
        counts = read_polygon_counts(tmp_path / f"{name}.csv")
        for k, (row, place) in enumerate(zip((4, 9, 11), places, strict=True)):
            values, pixels = np.unique(labels[place], return_counts=True)
            own = counts.where(counts.polygon == row)
            expected = dict(zip(values.tolist(), pixels.tolist(), strict=True)) if k < 2 or not reserved else {}
            found: dict[int, int] = {}
            for value, number in zip(own.produced.tolist(), own.pixels.tolist(), strict=True):
                found[value] = found.get(value, 0) + number
            assert found == expected
        distances = dict(zip(counts.polygon.tolist(), counts.distance.tolist(), strict=True))
        assert distances[4] == 0
        assert np.isinf(distances[9]), "no polygon of its class learns"
    confusion = read_confusion(tmp_path / "confusion.csv")
    inside = np.concatenate([fused[place].ravel() for place in places[: 2 if reserved else 3]])
    assert confusion.counts.sum() == np.isin(inside, (1, 2)).sum()
    assert confusion.unmapped.sum() == np.isin(inside, (0, 255)).sum()
    assert (tmp_path / "figure.png").stat().st_size > 0
