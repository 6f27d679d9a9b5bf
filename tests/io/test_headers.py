"""Reasons in the header why an image is unusable, and detection of truncated files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.errors import InputError
from iota2.io.archive.headers import jpeg_2000_ends_early, read_header
from iota2.testing.products import Layer, write_raster

# files that are cut before their place is reported
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
GRID = GeoBox((70, 90), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
NOISE = np.random.default_rng(0).integers(0, 60000, GRID.shape).astype(np.uint16)


@pytest.fixture
def jp2(tmp_path: Path) -> Path:
    path = tmp_path / "noise.jp2"
    write_raster(path, {1: Layer(NOISE, GRID)})
    return path


def boxes(content: bytes) -> list[tuple[bytes, bytes]]:
    """Type and content of the boxes of a JPEG 2000 file."""
    found, at = [], 0
    while at < len(content):
        length, kind = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        found.append((kind, content[at + 8 : at + length]))
        at += length
    return found


def test_a_header_contains_grid_and_data_types(jp2: Path, tmp_path: Path) -> None:
    header, problems = read_header(str(jp2), 1)
    assert header is not None
    assert (header.grid, header.types, problems) == (GRID, ("uint16",), [])
    both = tmp_path / "both.tif"
    write_raster(both, {1: Layer(NOISE, GRID), 2: Layer(NOISE, GRID)})
    header, _ = read_header(str(both), 2)
    assert header is not None
    assert header.types == ("uint16", "uint16")
    assert read_header(str(both), 3) == (None, [f"{both}: has 2 bands, band 3 is needed"])


def test_all_problems_of_a_header_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "odd.tif"
    turned = Affine(10, 1, 0, 1, -10, 0)
    with rasterio.open(path, "w", driver="GTiff", height=4, width=4, count=1, dtype="uint8", transform=turned) as file:
        file.write(np.ones((4, 4), np.uint8), 1)
    header, problems = read_header(str(path), 2)
    assert header is None
    assert [problem.removeprefix(f"{path}: ").split(",")[0].split("(")[0].strip() for problem in problems] == [
        "has 1 band",
        "has no coordinate system",
        "is not north up",
    ]


@pytest.mark.parametrize("suffix", [".jp2", ".tif"])
def test_a_file_truncated_at_any_byte_is_detected(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"noise{suffix}"
    write_raster(path, {1: Layer(NOISE, GRID)})
    content = path.read_bytes()
    assert read_header(str(path), 1)[0] is not None
    for size in (*range(0, 1000, 97), len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"is empty|is damaged|is neither|is truncated"):
            read_header(str(path), 1)


def test_the_end_is_found_for_every_form_of_box_length(jp2: Path) -> None:
    """The length of a box has 4 or 8 bytes, or is 0 for the last box; a codestream may be without boxes."""
    content = jp2.read_bytes()
    *others, (kind, stream) = boxes(content)
    assert kind == b"jp2c"
    head = content[: len(content) - len(stream) - 8]
    written = {
        "4 bytes": content,
        "8 bytes": head + (1).to_bytes(4) + kind + (len(stream) + 16).to_bytes(8) + stream,
        "to the end": head + bytes(4) + kind + stream,
        "no box": stream,
        "other boxes after it": content + (8).to_bytes(4) + b"free",
    }
    assert others
    for way, whole in written.items():
        assert not jpeg_2000_ends_early(io.BytesIO(whole)), way
        ends = [len(whole) - 9, len(whole) - len(stream) // 2, 40] + [len(whole) - 1] * ("after" not in way)
        for end in ends:
            assert jpeg_2000_ends_early(io.BytesIO(whole[:end])), (way, end)
        jp2.write_bytes(whole)
        with rasterio.open(jp2, driver="JP2OpenJPEG") as source:
            np.testing.assert_array_equal(source.read(1), NOISE)
