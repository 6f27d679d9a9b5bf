"""Features of selected pixels are read as they were written, by parts; damaged and incomplete ones are errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iota2.errors import InputError
from iota2.io.tables.pixel_features import (
    PixelFeatures,
    read_clear_pixels,
    read_pixel_features,
    write_pixel_features,
)

COUNT, FEATURES = 9, 3


def written(folder: Path, positions: list[list[int]]) -> tuple[list[Path], np.ndarray, np.ndarray]:
    """Files with the pixels at these positions, and the values and clear pixels of the whole selection."""
    rng = np.random.default_rng(0)
    values, clear = rng.random((COUNT, FEATURES)).astype(np.float32), rng.random(COUNT) < 0.5
    paths = [folder / f"{number}.npz" for number in range(len(positions))]
    for path, of_part in zip(paths, positions, strict=True):
        at = np.array(of_part, np.int64)
        write_pixel_features(PixelFeatures(at, values[at], clear[at]), path)
    return paths, values, clear


@pytest.mark.parametrize("positions", [[[*range(9)]], [[0, 8, 3], [], [7, 1, 2, 4], [5, 6]]])
def test_parts_give_the_whole_selection(tmp_path: Path, positions: list[list[int]]) -> None:
    paths, values, clear = written(tmp_path, positions)
    found, found_clear = read_pixel_features(paths, COUNT, FEATURES)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(found_clear, clear)


def test_a_selection_without_pixels_is_empty(tmp_path: Path) -> None:
    empty = PixelFeatures(np.zeros(0, np.int64), np.zeros((0, FEATURES), np.float32), np.zeros(0, bool))
    write_pixel_features(empty, tmp_path / "empty.npz")
    values, clear = read_pixel_features([tmp_path / "empty.npz"], 0, FEATURES)
    assert (values.shape, clear.shape) == ((0, FEATURES), (0,))


def test_equal_features_give_equal_bytes(tmp_path: Path) -> None:
    paths = [written(tmp_path / name, [[*range(9)]])[0][0] for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("positions", [[[0, 1, 2, 3], [5, 6, 7, 8]], [[*range(9)], [4]]])
def test_a_missing_or_repeated_pixel_is_an_error(tmp_path: Path, positions: list[list[int]]) -> None:
    with pytest.raises(InputError, match=r"0\.npz, 1\.npz.*pixel 4 of 9 occurs [02] times"):
        read_pixel_features(written(tmp_path, positions)[0], COUNT, FEATURES)


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "features", "positions"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    (path,), _, _ = written(tmp_path, [[*range(9)]])
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "text":
        path.write_text("features", encoding="utf-8")
    with pytest.raises(InputError, match=r"0\.npz: .*Extract the samples again"):
        read_pixel_features([path], 5 if damage == "positions" else COUNT, FEATURES + (damage == "features"))


@pytest.mark.parametrize("damage", ["missing", "text"])
def test_a_damaged_file_is_named_when_its_clear_pixels_are_read(tmp_path: Path, damage: str) -> None:
    (path,), _, _ = written(tmp_path, [[*range(9)]])
    path.unlink()
    if damage == "text":
        path.write_text("features", encoding="utf-8")
    with pytest.raises(InputError, match=r"0\.npz: .*Extract the samples again"):
        read_clear_pixels([path], FEATURES)
