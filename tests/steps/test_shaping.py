"""Merge of the maps of a tile's models, with and without overlapping masks."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.graph import JobContext, Key, MultiplePaths, Paths, Resources
from iota2.core.grid import block_of
from iota2.core.nomenclature import Nomenclature
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.tables.classes import write_classes
from iota2.steps.products import shaping

GEOBOX = GeoBox((1, 6), Affine(10, 0, 600_000, 0, -10, 6_300_000), "EPSG:2154")
CODES = (11, 200, 222)

RUNS = ("region", "seed")


def write(path: Path, values: list[float], dtype: str) -> Path:
    with RasterWriter(path, RasterProfile(GEOBOX, dtype, nodata=0)) as writer:
        writer.write(block_of("", GEOBOX, (0, 1), (0, 6)), np.array([values], dtype))
    return path


def read(path: Path) -> list[int]:
    with RasterReader(path) as reader:
        return [int(value) for value in reader.read(GEOBOX)[0]]


def shaped(folder: Path, labels: dict[str, list[float]], confidence: dict[str, list[float]]) -> list[list[int]]:
    """Labels, confidence and validity of a tile from those of its regions."""
    write_classes(Nomenclature(CODES, ("a", "b", "c"), ((1, 1, 1),) * 3, CODES), folder / "classes.json")
    inp = {
        "labels": MultiplePaths(
            RUNS, {(r, 0): write(folder / f"l_{r}.tif", v, "uint8").name for r, v in labels.items()}
        ),
        "confidence": MultiplePaths(
            RUNS, {(r, 0): write(folder / f"c_{r}.tif", v, "float32").name for r, v in confidence.items()}
        ),
        "validity": write(folder / "validity.tif", [5] * 6, "uint8").name,
        "classes": "classes.json",
    }
    out = {
        "tile_labels": MultiplePaths(("seed",), {(0,): "labels.tif"}),
        "tile_confidence": MultiplePaths(("seed",), {(0,): "confidence.tif"}),
        "validity": "merged_validity.tif",
    }
    shaping.run(JobContext(Paths(folder, inp), Paths(folder, out), Key.of(tile="T"), None, Resources()))
    return [read(folder / name) for name in ("labels.tif", "confidence.tif", "merged_validity.tif")]


def test_a_pixel_in_two_regions_has_label_and_confidence_of_the_first_region_by_name(tmp_path: Path) -> None:
    labels, confidence, validity = shaped(
        tmp_path,
        {"2": [0, 0, 222, 222, 11, 0], "1": [200, 200, 200, 0, 0, 0]},
        {"2": [0, 0, 0.8, 0.7, 0.6, 0], "1": [0.5, 0.4, 0.3, 0, 0, 0]},
    )
    assert labels == [200, 200, 200, 222, 11, 0]
    assert confidence == [50, 40, 30, 70, 60, 0]
    assert validity == [5, 5, 5, 5, 5, 0]


def test_a_pixel_in_three_regions_has_the_label_of_one_of_them(tmp_path: Path) -> None:
    labels, confidence, _ = shaped(
        tmp_path,
        {r: [0, 0, code, 0, 0, 0] for r, code in zip("abc", CODES, strict=True)},
        {r: [0, 0, share, 0, 0, 0] for r, share in zip("abc", (0.9, 0.8, 0.7), strict=True)},
    )
    assert labels == [0, 0, 11, 0, 0, 0]
    assert confidence == [0, 0, 90, 0, 0, 0]


def test_many_regions_stay_within_the_memory_of_the_job(tmp_path: Path) -> None:
    geobox = GeoBox((700, 700), GEOBOX.affine, GEOBOX.crs)
    write_classes(Nomenclature(CODES, ("a", "b", "c"), ((1, 1, 1),) * 3, CODES), tmp_path / "classes.json")
    for name, dtype in (("labels", "uint8"), ("confidence", "float32"), ("validity", "uint8")):
        with RasterWriter(tmp_path / f"{name}.tif", RasterProfile(geobox, dtype, nodata=0)) as writer:
            writer.write(block_of("", geobox, (0, 700), (0, 700)), np.ones((700, 700), dtype))
    regions = [(str(region), 0) for region in range(12)]
    inp = {
        "labels": MultiplePaths(RUNS, dict.fromkeys(regions, "labels.tif")),
        "confidence": MultiplePaths(RUNS, dict.fromkeys(regions, "confidence.tif")),
        "validity": "validity.tif",
        "classes": "classes.json",
    }
    out = {
        "tile_labels": MultiplePaths(("seed",), {(0,): "l.tif"}),
        "tile_confidence": MultiplePaths(("seed",), {(0,): "c.tif"}),
        "validity": "v.tif",
    }
    use = Resources(memory=4 << 20)
    tracemalloc.start()
    shaping.run(JobContext(Paths(tmp_path, inp), Paths(tmp_path, out), Key.of(tile="T"), None, use))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= use.memory
    with RasterReader(tmp_path / "c.tif") as reader:
        assert reader.read(geobox).min() == 100
