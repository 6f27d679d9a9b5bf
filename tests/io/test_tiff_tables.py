"""Detection of stored, sparse and lost blocks from the tables of a TIFF file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from iota2.io.files.tiff_tables import Blocks, read_blocks

STRIPS = {"blockysize": 8}
TILES = {"tiled": True, "blockxsize": 16, "blockysize": 16}
FORMS = {
    "strips": STRIPS,
    "tiles": TILES,
    "deflate": {**TILES, "compress": "deflate"},
    "big": {**TILES, "BIGTIFF": "YES"},
    "big endian": {**STRIPS, "ENDIANNESS": "BIG"},
    "separate bands": {**TILES, "interleave": "band", "compress": "deflate"},
}


def write(path: Path, form: dict[str, object], *, rows: int = 64, overviews: bool = False) -> Path:
    """Write two bands of noise; only the first ``rows`` of a sparse file."""
    values = np.random.default_rng(1).integers(1, 3000, (2, rows, 64)).astype("int16")
    place = {"crs": "EPSG:32631", "transform": Affine(10, 0, 300000, 0, -10, 4900020)}
    shape = {"height": 64, "width": 64, "count": 2, "dtype": "int16"}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place, **form) as file:
        if rows:
            file.write(values, window=((0, rows), (0, 64)))
    if overviews:
        with rasterio.open(path, "r+") as file:
            file.build_overviews([2, 4])
    return path


def zero(path: Path, tags: tuple[int, ...], part: slice = slice(None)) -> None:
    """Overwrite entries of the tables of a classic little-endian file."""
    content = bytearray(path.read_bytes())
    (place,) = struct.unpack("<I", content[4:8])
    (count,) = struct.unpack("<H", content[place : place + 2])
    for k in range(count):
        at = place + 2 + 12 * k
        tag, kind, number = struct.unpack("<HHI", content[at : at + 8])
        if tag in tags:
            width = {3: 2, 4: 4}[kind]
            start = at + 8 if width * number <= 4 else struct.unpack("<I", content[at + 8 : at + 12])[0]
            for entry in range(number)[part]:
                content[start + width * entry : start + width * (entry + 1)] = bytes(width)
    path.write_bytes(content)


def found(path: Path) -> Blocks:
    blocks = read_blocks(path)
    assert blocks is not None
    return blocks


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("overviews", [False, True])
def test_a_whole_file_has_all_its_blocks(tmp_path: Path, form: str, overviews: bool) -> None:
    blocks = found(write(tmp_path / "a.tif", FORMS[form], overviews=overviews))
    assert (blocks.absent, blocks.broken, blocks.damaged) == (0, 0, False)
    assert blocks.count == {"strips": 8, "big endian": 8, "separate bands": 32}.get(form, 16)


@pytest.mark.parametrize("form", ["strips", "tiles", "deflate", "big", "separate bands"])
@pytest.mark.parametrize("rows", [0, 16, 48])
@pytest.mark.parametrize("overviews", [False, True])
def test_a_sparse_file_has_absent_blocks_and_is_not_damaged(
    tmp_path: Path, form: str, rows: int, overviews: bool
) -> None:
    path = tmp_path / "a.tif"
    options = {**FORMS[form], "SPARSE_OK": True}
    write(path, options, rows=rows, overviews=overviews)
    blocks = found(path)
    assert blocks.absent == blocks.count * (64 - rows) // 64
    assert not blocks.damaged


@pytest.mark.parametrize("form", ["strips", "tiles", "deflate", "separate bands"])
@pytest.mark.parametrize("tags", [(273, 324), (279, 325), (273, 324, 279, 325)], ids=["offsets", "lengths", "both"])
@pytest.mark.parametrize("part", [slice(None), slice(2, 5), slice(0, 1), slice(-1, None)])
def test_files_with_zeroed_tables_are_damaged(tmp_path: Path, form: str, tags: tuple[int, ...], part: slice) -> None:
    path = write(tmp_path / "a.tif", FORMS[form])
    zero(path, tags, part)
    assert found(path).damaged


def test_files_with_blocks_beyond_their_end_are_damaged(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", TILES)
    path.write_bytes(path.read_bytes()[:-10])
    assert found(path).damaged


@pytest.mark.parametrize("content", [b"", b"II", b"II*\0", b"II*\0\xff\xff\0\0", b"MM\0*" + bytes(40), b"<html>" * 20])
def test_other_files_than_tiff_have_no_statistics(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    assert read_blocks(tmp_path / "a.tif") is None
    assert read_blocks(tmp_path / "absent.tif") is None
