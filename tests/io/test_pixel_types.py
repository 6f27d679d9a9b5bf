"""Notes on data types that differ from other dates, and on scales that differ from the description."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from iota2.io.archive.products import scan_tile
from tests.io.test_plausibility import SPEC, THIRD, TILE, archive


def notes(root: Path, **changes: object) -> tuple[str, ...]:
    return scan_tile(replace(SPEC, **changes), root, TILE)[1]  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["float32", "int32", "float64"])
def test_a_data_type_that_differs_from_most_dates_is_noted(tmp_path: Path, kind: str) -> None:
    def other(values: np.ndarray) -> np.ndarray:
        return values.astype(kind)

    (note,) = notes(archive(tmp_path, {(2, "RED"): other, (2, "NIR"): other}))
    expected = f"files of 1 of 6 products have pixels of type {kind}, files of most dates int16: {THIRD} (RED, NIR)"
    assert f"Own, tile {TILE}: {expected}" in note


def test_series_of_one_data_type_have_no_note(tmp_path: Path) -> None:
    assert notes(archive(tmp_path)) == ()
    assert notes(archive(tmp_path / "float", every=lambda values: values.astype("float32"))) == ()


@pytest.mark.parametrize(
    ("scale", "offset", "described", "silent"),
    [
        (0.0001, 0.0, (1.0, 0.0), True),
        (0.0001, -0.1, (1.0, 0.0), False),
        (0.0001, -0.1, (1.0, -1000.0), True),
        (2.75e-05, -0.2, (1.0, 0.0), False),
        (2.75e-05, -0.2, (0.275, -2000.0), True),
        (0.275, -2000.0, (0.275, -2000.0), True),
        (1.0, 0.0, (0.275, -2000.0), True),
        (0.01, 0.0, (1.0, 0.0), False),
    ],
)
def test_a_declared_scale_that_differs_from_the_description_is_noted(
    tmp_path: Path, scale: float, offset: float, described: tuple[float, float], silent: bool
) -> None:
    archive(tmp_path)
    with rasterio.open(tmp_path / TILE / THIRD / f"{THIRD}_red.tif", "r+") as file:
        file.scales, file.offsets = [scale], [offset]
    found = notes(tmp_path, scale=described[0], offset=described[1])
    assert len(found) == (0 if silent else 1)
    assert all(f"declare scale {scale:g} and offset {offset:g}" in note and f"{THIRD} (RED)" in note for note in found)
