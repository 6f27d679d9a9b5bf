"""Scale and offset from the XML metadata of products.

All baselines give the same units; invalid and malicious content is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.features import feature_block
from iota2.core.cube import Cube
from iota2.core.grid import blocks
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene
from iota2.errors import InputError
from iota2.io.archive.metadata import read_scaling
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import builtin_specs
from iota2.io.series.reader import CubeReader
from iota2.testing.products import Layer, write_metadata, write_product

TILE = "T31TCJ"
SPEC = builtin_specs()["Sentinel_2_S2C"]
META = SPEC.metadata
assert META is not None
FINE = GeoBox((20, 34), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
IDS = {band.name: band.id for band in SPEC.bands}
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
DIVISOR = "<BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>"
OFFSETS = "".join(f'<BOA_ADD_OFFSET band_id="{band}">-1000</BOA_ADD_OFFSET>' for band in range(13))


def scaling_of(folder: Path, text: str | bytes) -> dict[str, tuple[float, float]]:
    path = folder / "MTD_MSIL2A.xml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_scaling(str(path), SPEC)


def test_offsets_are_0_without_offsets_in_the_metadata(tmp_path: Path) -> None:
    scaling = scaling_of(tmp_path, f"{HEAD}<p>{DIVISOR}</p>")
    assert scaling == dict.fromkeys(SPEC.band_names, (1.0, 0.0))


def test_each_band_has_its_own_offset_by_its_id(tmp_path: Path) -> None:
    offsets = {band: -1000.0 - k for k, band in enumerate(SPEC.band_names)}
    write_metadata(tmp_path / "m.xml", META, 20000, {IDS[band]: number for band, number in offsets.items()})
    scaling = read_scaling(str(tmp_path / "m.xml"), SPEC)
    assert scaling == {band: (0.5, number / 2) for band, number in offsets.items()}


def test_the_ids_of_the_bands_are_those_of_the_products() -> None:
    """As in the band table of the metadata of each product: B1 is 0, B8A is 8, B9 is 9."""
    in_order = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
    assert {band: str(in_order.index(band)) for band in SPEC.band_names} == IDS


def test_namespaces_and_the_names_of_the_first_products_are_known(tmp_path: Path) -> None:
    text = DIVISOR.replace("BOA_Q", "x:L2A_BOA_Q")
    scaling = scaling_of(tmp_path, f'{HEAD}<x:p xmlns:x="https://example.org/x">{text}{OFFSETS}</x:p>')
    assert scaling == dict.fromkeys(SPEC.band_names, (1.0, -1000.0))


LAUGHS = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, 10))
HOSTILE = {
    "external entity": f'{HEAD}<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><p>{DIVISOR}<a>&x;</a></p>',
    "entity in the number": f'<!DOCTYPE p [<!ENTITY x "10000">]><p>{DIVISOR.replace("10000", "&x;")}</p>',
    "billion laughs": f'{HEAD}<!DOCTYPE p [<!ENTITY l0 "ha">{LAUGHS}]><p>{DIVISOR}<a>&l9;</a></p>',
    "parameter entity": f'<!DOCTYPE p [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]><p>{DIVISOR}</p>',
    "external DTD": f'<!DOCTYPE p SYSTEM "http://127.0.0.1:9/x.dtd"><p>{DIVISOR}</p>',
    "DTD": f"<!DOCTYPE p [<!ELEMENT p ANY>]><p>{DIVISOR}</p>",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_document_types_and_entities_are_rejected(what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"MTD_MSIL2A.xml: has a document type or entities"):
        scaling_of(tmp_path, HOSTILE[what])


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "zero bytes": ("", "cannot be read: no element found"),
    "cut short": (f"{HEAD}<p>{DIVISOR}", "cannot be read: no element found"),
    "a web page": ("<!DOCTYPE html><p>Sign in<br></p>", "not allowed"),
    "an image": (b"\0\0\0\x0cjP  \r\n", "cannot be read"),
    "an unknown encoding": ('<?xml version="1.0" encoding="klingon"?><p/>', "cannot be read"),
    "wrong bytes": (HEAD.encode() + b"<p>\xff\xfe</p>", "cannot be read"),
    "no divisor": (f"<p>{OFFSETS}</p>", r"has 0 elements *BOA_QUANTIFICATION_VALUE, one is expected"),
    "two divisors": (f"<p>{DIVISOR}{DIVISOR}</p>", r"has 2 elements *BOA_QUANTIFICATION_VALUE, one is expected"),
    "divisor 0": (f"<p>{DIVISOR.replace('10000', '0')}</p>", "is 0, a number above 0 is expected"),
    "divisor below 0": (f"<p>{DIVISOR.replace('10000', '-1')}</p>", "is -1, a number above 0 is expected"),
    "divisor of text": (f"<p>{DIVISOR.replace('10000', 'ten')}</p>", "is 'ten', a number is expected"),
    "divisor NaN": (f"<p>{DIVISOR.replace('10000', 'nan')}</p>", "is 'nan', a number is expected"),
    "divisor too large": (f"<p>{DIVISOR.replace('10000', '1e999')}</p>", "is '1e999', a number is expected"),
    "empty divisor": (f"<p>{DIVISOR.replace('10000', ' ')}</p>", "is '', a number is expected"),
    "no offset of one band": (
        f"<p>{DIVISOR}{OFFSETS}</p>".replace('"8"', '"88"'),
        "has 0 elements BOA_ADD_OFFSET of B8A (band_id 8), one is expected",
    ),
    "two offsets of one band": (
        f"<p>{DIVISOR}{OFFSETS}</p>".replace('"9"', '"8"'),
        "has 2 elements BOA_ADD_OFFSET of B8A (band_id 8), one is expected",
    ),
    "offsets without ids": (
        f"<p>{DIVISOR}{OFFSETS.replace('band_id', 'band')}</p>",
        "has 0 elements BOA_ADD_OFFSET of B02 (band_id 1), one is expected",
    ),
    "offset of text": (
        f"<p>{DIVISOR}{OFFSETS.replace('>-1000<', '>minus<')}</p>",
        "BOA_ADD_OFFSET of B02 (band_id 1) is 'minus', a number is expected",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_values_that_are_not_numbers_are_rejected_with_file_and_element(what: str, tmp_path: Path) -> None:
    text, reason = BROKEN[what]
    with pytest.raises(InputError) as caught:
        scaling_of(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/MTD_MSIL2A.xml: ")
    assert reason in str(caught.value)


def test_deep_and_large_metadata_are_read(tmp_path: Path) -> None:
    deep = "<a>" * 20000 + DIVISOR + "</a>" * 20000
    assert scaling_of(tmp_path, f"<p>{deep}{'<b/>' * 20000}</p>")["B02"] == (1.0, 0.0)


# ------------------------------------------------------------------------------------------------ products


def written(
    root: Path,
    days: Sequence[date],
    ground: Mapping[str, np.ndarray],
    offsets: Sequence[int | None],
    divisor: float = 10000,
) -> None:
    """Products with the same reflectance (x 10000), stored with these offsets."""
    for day, offset in zip(days, offsets, strict=True):
        layers = {
            band: Layer(((values - (offset or 0)) * divisor / 10000).astype(np.uint16), FINE)
            for band, values in ground.items()
        }
        layers |= dict.fromkeys(("SCL", "EDG"), Layer(np.full(FINE.shape, 4, np.uint8), FINE))
        scaled = dict.fromkeys(ground, offset * divisor / 10000) if offset is not None else None
        write_product(SPEC, root / TILE, TILE, day, layers, quantification=divisor, offsets=scaled)


def ground_of(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {band: rng.integers(100, 5000, FINE.shape) for band in SPEC.band_names}


def cube_of(root: Path) -> tuple[Scene, Cube]:
    sensor, _ = scan_tile(SPEC, root, TILE)
    scene = Scene(TILE, native_geobox(sensor), (sensor,))
    with CubeReader(scene, {SPEC.name: SPEC.band_names}) as reader:
        return scene, reader.read(next(blocks(TILE, FINE, FINE.shape)))[SPEC.name]


DAYS = tuple(date(2022, 1, day) for day in (5, 15, 25, 30))


def test_a_change_of_the_baseline_does_not_change_reflectances(tmp_path: Path) -> None:
    ground = ground_of()
    written(tmp_path, DAYS, ground, (None, None, -1000, -1000))
    _, cube = cube_of(tmp_path)
    for t in range(4):
        np.testing.assert_array_equal(cube.values[t], np.stack(list(ground.values())))
    assert cube.valid.all()
    recipe = SensorRecipe(SPEC.name, SPEC.band_names, SPEC.roles, ("20220110", "20220120", "20220128"))
    features = feature_block({SPEC.name: cube}, FeatureRecipe((recipe,)))
    values = dict(zip(features.names, features.values, strict=True))
    for name in (*SPEC.band_names, "NDVI", "NDWI", "Brightness"):
        first = values[f"{SPEC.name}_{name}_20220110"]
        for day in recipe.dates[1:]:
            np.testing.assert_allclose(values[f"{SPEC.name}_{name}_{day}"], first, rtol=1e-5, atol=1e-3)


def test_another_quantification_value_does_not_change_reflectances(tmp_path: Path) -> None:
    ground = {band: values // 10 * 10 for band, values in ground_of().items()}
    written(tmp_path, DAYS, ground, (None, -1000, None, -1000), divisor=1000)
    _, cube = cube_of(tmp_path)
    for t in range(4):
        np.testing.assert_allclose(cube.values[t], np.stack(list(ground.values())), rtol=1e-6)


def test_nodata_is_compared_before_the_offset_is_added(tmp_path: Path) -> None:
    """A stored 0 is no data; a stored 1000 is a reflectance of 0."""
    ground = ground_of()
    for values in ground.values():
        values[2, 3], values[4, 5] = -1000, 0
    written(tmp_path, DAYS[:1], ground, (-1000,))
    _, cube = cube_of(tmp_path)
    assert not cube.valid[0, 2, 3]
    assert np.isnan(cube.values[0, :, 2, 3]).all()
    assert cube.valid[0, 4, 5]
    assert (cube.values[0, :, 4, 5] == 0).all()
    assert np.count_nonzero(~cube.valid) == 1


def test_missing_metadata_are_reported_as_a_missing_file(tmp_path: Path) -> None:
    written(tmp_path, DAYS[:2], ground_of(), (None, -1000))
    next(tmp_path.rglob("*20220115*/MTD_MSIL2A.xml")).unlink()
    with pytest.raises(InputError, match=r"1 of 2 products of T31TCJ lack MTD_MSIL2A.xml \(first: S2A_MSIL2A_20220115"):
        scan_tile(SPEC, tmp_path, TILE)


def test_two_files_of_metadata_are_reported(tmp_path: Path) -> None:
    written(tmp_path, DAYS[:1], ground_of(), (None,))
    path = next(tmp_path.rglob("MTD_MSIL2A.xml"))
    path.with_name("MTD_MSIL2A (1).xml").write_bytes(path.read_bytes())
    loose = replace(SPEC, metadata=replace(META, file="MTD_*.xml"))
    with pytest.raises(InputError, match=r"2 files match MTD_\*.xml"):
        scan_tile(loose, tmp_path, TILE)


def test_damaged_metadata_stop_the_scan_or_leave_the_product_out(tmp_path: Path) -> None:
    written(tmp_path, DAYS[:2], ground_of(), (None, -1000))
    path = next(tmp_path.rglob("*20220115*/MTD_MSIL2A.xml"))
    path.write_text(HOSTILE["billion laughs"])
    with pytest.raises(InputError, match=r"1 problem\n  .*20220115.*MTD_MSIL2A.xml: has a document type"):
        scan_tile(SPEC, tmp_path, TILE)
    scene, notes = scan_tile(SPEC, tmp_path, TILE, skip_damaged=True)
    assert scene.keys == ("20220105",)
    assert "20220115" in notes[0]
