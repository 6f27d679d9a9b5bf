"""No-data pixels have the value of the sensor description or of the nodata tag of their file, in all readers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import blocks
from iota2.core.scene import Scene
from iota2.core.sensor import SensorSpec
from iota2.errors import ConfigError, InputError
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.recognition import recognize
from iota2.io.archive.specs import parse_spec
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import scene_from_json, scene_to_json

TILE, DAYS = "T31TCJ", (date(2018, 3, 2), date(2018, 5, 11), date(2018, 6, 11))
GRID = GeoBox((8, 12), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
DESCRIBED = """
name: Own
section: Own
product: '^OWN_(?P<date>\\d{8})'
bands: [{name: RED, file: '*_red.tif', role: red}, {name: NIR, file: '*_nir.tif', role: nir}]
masks: [{name: CLM, file: '*_clm.tif', optional: true}]
nodata: -10000
"""
SPEC = parse_spec(DESCRIBED, source="own.yaml")
UNSAID = replace(SPEC, nodata=None)
Tags = Mapping[str, float | None]


def write(
    path: Path, values: np.ndarray, tag: float | None, *, grid: GeoBox = GRID, count: int = 1, **options: object
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    form = {"driver": "GTiff", "crs": str(grid.crs), "transform": grid.affine, "nodata": tag, **options}
    height, width = values.shape
    with rasterio.open(path, "w", height=height, width=width, count=count, dtype=values.dtype, **form) as file:
        for index in range(1, count + 1):
            file.write(values, index)


def archive(root: Path, tags: Mapping[date, float | None], kind: str, hole: Mapping[date, float] | None = None) -> Path:
    """Products with two bands; their first two rows contain the tag of the date, or its ``hole``."""
    for day, tag in tags.items():
        values = (100 + np.arange(96).reshape(8, 12)).astype(kind)
        filled = (hole or {}).get(day, tag)
        if filled is not None:
            values[:2] = np.array(filled).astype(kind)
        name = f"OWN_{day:%Y%m%d}"
        for band in ("red", "nir"):
            write(root / TILE / name / f"{name}_{band}.tif", values, tag)
    return root


def read(spec: SensorSpec, root: Path, **series: object) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Values and validity of the cube, validity from the observations, and the notes of the scan.

    The scene is converted to JSON and back, as between scan and job.
    """
    sensor, notes = scan_tile(spec, root, TILE, **series)  # type: ignore[arg-type]
    scene = scene_from_json(scene_to_json(Scene(TILE, native_geobox(sensor), (sensor,))))
    values, valid, seen = [], [], []
    with CubeReader(scene, {"Own": ("RED", "NIR")}) as reader:
        for block in blocks(TILE, scene.geobox, (3, 12)):
            cube = reader.read(block)["Own"]
            values.append(cube.values)
            valid.append(cube.valid)
            seen.append(reader.observed(block)["Own"].valid)
    return np.concatenate(values, 2), np.concatenate(valid, 1), np.concatenate(seen, 1), notes


@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        ("int16", -9999.0),
        ("int16", 0.0),
        ("int16", -32768.0),
        ("int16", 32767.0),
        ("float32", -9999.0),
        ("float32", math.nan),
        ("float32", -3.4e38),
        ("float32", 1e20),
        ("float32", math.inf),
        ("float64", -1.7976931348623157e308),
        ("int32", -2147483648.0),
        ("int16", -10000.0),
        ("float32", -10000.0),
    ],
)
def test_nodata_tag_and_nodata_of_the_description_are_both_missing(tmp_path: Path, kind: str, tag: float) -> None:
    values, valid, seen, notes = read(SPEC, archive(tmp_path, {DAYS[0]: tag}, kind))
    assert not valid[:, :2].any()
    assert not seen[:, :2].any()
    assert valid[:, 2:].all()
    assert seen[:, 2:].all()
    np.testing.assert_array_equal(values[0, 0, 2:], 100 + np.arange(96).reshape(8, 12)[2:])
    missing = values[0, :, :2]
    assert np.isnan(missing).all() if values.dtype.kind == "f" else (missing == -10000).all()
    differs = tag != -10000 and not math.isnan(tag)
    assert len(notes) == (1 if differs else 0)
    if differs:
        message = f"{tag:.0f}" if abs(tag) < 1e12 else f"{tag:g}"
        assert f"nodata tag of files of 1 of 1 product (first: OWN_20180302) is {message}, in RED, NIR" in notes[0]
        assert "has nodata -10000" in notes[0]


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinite_values_are_missing(tmp_path: Path, kind: str, value: float) -> None:
    _, valid, seen, _ = read(SPEC, archive(tmp_path, {DAYS[0]: None}, kind, hole={DAYS[0]: value}))
    assert not valid[:, :2].any()
    assert not seen[:, :2].any()
    assert valid[:, 2:].all()


def test_a_rounded_huge_tag_matches_the_values_close_to_it(tmp_path: Path) -> None:
    root = archive(tmp_path, {DAYS[0]: -3.4e38}, "float32", hole={DAYS[0]: -3.4028234663852886e38})
    for spec in (SPEC, replace(SPEC, nodata=None), replace(SPEC, nodata=-3.4e38)):
        _, valid, seen, _ = read(spec, root)
        assert not valid[:, :2].any()
        assert not seen[:, :2].any()
        assert valid[:, 2:].all()


def test_nodata_of_the_description_is_missing_in_files_with_another_tag(tmp_path: Path) -> None:
    root = archive(tmp_path, {DAYS[0]: -9999.0}, "int16", hole={DAYS[0]: -10000.0})
    _, valid, seen, _ = read(SPEC, root)
    assert not valid[:, :2].any()
    assert not seen[:, :2].any()
    assert valid[:, 2:].all()


@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        ("int16", (-9999.0, -32768.0, -10000.0)),
        ("int16", (0.0, None, -9999.0)),
        ("float32", (math.nan, -9999.0, -3.4028234663852886e38)),
    ],
)
def test_products_with_different_tags_each_use_their_own(
    tmp_path: Path, kind: str, tags: tuple[float | None, ...]
) -> None:
    _, valid, seen, _ = read(SPEC, archive(tmp_path, dict(zip(DAYS, tags, strict=True)), kind))
    for shows, clear, tag in zip(seen, valid, tags, strict=True):
        assert shows[:2].any() == clear[:2].any() == (tag is None)
        assert clear[2:].all()


def test_a_tag_applies_only_to_its_own_file(tmp_path: Path) -> None:
    root = archive(tmp_path, {DAYS[0]: -9999.0, DAYS[1]: -32768.0}, "int16", hole={DAYS[1]: -9999.0})
    _, valid, _, _ = read(SPEC, root)
    assert not valid[0, :2].any()
    assert valid[1].all()


@pytest.mark.parametrize(
    ("kind", "tag"), [("int16", -9999.0), ("uint16", 65535.0), ("uint16", 0.0), ("uint8", 255.0), ("float32", -1.0)]
)
def test_a_description_without_nodata_uses_the_tags_of_the_files(tmp_path: Path, kind: str, tag: float) -> None:
    values, valid, seen, notes = read(UNSAID, archive(tmp_path, {DAYS[0]: tag, DAYS[1]: tag}, kind))
    assert not valid[:, :2].any()
    assert not seen[:, :2].any()
    assert valid[:, 2:].all()
    assert values[:, :, 2:].min() == 124
    assert "has no nodata" in notes[0]


@pytest.mark.parametrize(("kind", "tag"), [("uint16", 0.0), ("uint16", 65535.0), ("uint8", 255.0)])
def test_a_tag_replaces_a_nodata_value_that_the_data_type_cannot_represent(
    tmp_path: Path, kind: str, tag: float
) -> None:
    _, valid, seen, _ = read(SPEC, archive(tmp_path, {DAYS[0]: tag, DAYS[1]: tag}, kind))
    assert not valid[:, :2].any()
    assert not seen[:, :2].any()
    assert valid[:, 2:].all()


def test_a_file_with_several_bands_has_one_nodata_value(tmp_path: Path) -> None:
    both = parse_spec(
        DESCRIBED.replace("*_red.tif", "*_all.tif").replace("'*_nir.tif'", "'*_all.tif', index: 2"), source="own.yaml"
    )
    values = np.full((8, 12), 500, np.int16)
    values[:2] = -9999
    write(tmp_path / TILE / "OWN_20180302" / "OWN_20180302_all.tif", values, -9999, count=2)
    _, valid, _, _ = read(both, tmp_path)
    assert not valid[:, :2].any()
    assert valid[:, 2:].all()


def test_pixels_outside_smaller_files_have_the_nodata_value_of_the_tags(tmp_path: Path) -> None:
    loose = replace(UNSAID, varying_extent=True)
    archive(tmp_path, {DAYS[0]: -9999.0}, "int16")
    short, name = GRID[:6, :], f"OWN_{DAYS[1]:%Y%m%d}"
    for band in ("red", "nir"):
        path = tmp_path / TILE / name / f"{name}_{band}.tif"
        write(path, np.full((6, 12), 700, np.int16), -9999, grid=short)
    _, valid, seen, _ = read(loose, tmp_path)
    assert not valid[1, 6:].any()
    assert not seen[1, 6:].any()
    assert valid[1, :6].all()


@pytest.mark.parametrize("tag", [1.0, 500.0, 9999.0])
def test_a_tag_that_is_a_valid_reflectance_is_rejected_with_the_remedies(tmp_path: Path, tag: float) -> None:
    archive(tmp_path, {DAYS[0]: tag}, "int16")
    with pytest.raises(InputError) as caught:
        scan_tile(SPEC, tmp_path, TILE)
    text = str(caught.value)
    assert f"OWN_20180302_red.tif) is {tag:g}. " in text
    assert "has nodata -10000" in text
    assert f"`nodata: {tag:g}`" in text
    assert "`file_nodata: ignored`" in text
    assert any("nodata tag" in message for tile in recognize(SPEC, tmp_path).tiles for message in tile.problems)
    _, valid, _, notes = read(replace(SPEC, nodata=tag), tmp_path)
    assert not valid[:, :2].any()
    assert not notes
    _, valid, _, notes = read(parse_spec(DESCRIBED + "file_nodata: ignored\n", source="own.yaml"), tmp_path)
    assert valid.all()
    assert not notes


def test_radar_values_and_extremes_of_a_data_type_are_not_contradictions(tmp_path: Path) -> None:
    archive(tmp_path, {DAYS[0]: 500.0}, "float32")
    _, valid, _, _ = read(replace(SPEC, spectral=False), tmp_path)
    assert not valid[:, :2].any()


def test_only_the_values_of_file_nodata_are_accepted() -> None:
    with pytest.raises(ConfigError, match="file_nodata"):
        parse_spec(DESCRIBED + "file_nodata: maybe\n", source="own.yaml")


def test_a_tag_of_a_mask_does_not_apply_to_bands(tmp_path: Path) -> None:
    archive(tmp_path, {DAYS[0]: -10000.0}, "int16")
    clear = np.zeros((8, 12), np.uint8)
    write(tmp_path / TILE / "OWN_20180302" / "OWN_20180302_clm.tif", clear, 0)
    _, valid, _, notes = read(SPEC, tmp_path)
    assert valid[:, 2:].all()
    assert not notes
