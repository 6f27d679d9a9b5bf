"""Values of segments are read as they were written, in ascending order, whatever the order in which they were added."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from iota2.errors import InputError
from iota2.io.tables import segment_values as module
from iota2.io.tables.segment_values import (
    SegmentValues,
    read_batches,
    read_segments,
    segment_values_writer,
    values_by_number,
)

NAMES = ["b2_20180101.1_mean", "b2_20180101_mean", "ndvi_mean"]
COUNT = 100


@pytest.fixture(autouse=True)
def _groups_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups of ten segments."""
    monkeypatch.setattr(module, "GROUP_BYTES", 10 * (20 + 4 * len(NAMES)))


def segments() -> SegmentValues:
    """Every third number up to the largest one, in ascending order."""
    random = np.random.default_rng(0)
    number = np.arange(2**32 - 1, 2**32 - 1 - 3 * COUNT, -3)[::-1].astype(np.uint32)
    pixels, seen = random.integers(1, 2**40, (2, COUNT))
    values = random.random((COUNT, len(NAMES))).astype(np.float32)
    values[5, 1] = np.nan
    return SegmentValues(number, pixels, seen, values)


def taken(found: SegmentValues, rows: np.ndarray | slice) -> SegmentValues:
    return SegmentValues(found.segment[rows], found.pixels[rows], found.seen[rows], found.values[rows])


def write(path: Path, found: SegmentValues, parts: list[np.ndarray]) -> Path:
    with segment_values_writer(path, NAMES) as writer:
        for rows in parts:
            writer.add(taken(found, rows))
    return path


def written(path: Path, parts: int = 7) -> tuple[Path, SegmentValues]:
    found = segments()
    return write(path, found, np.array_split(np.random.default_rng(parts).permutation(COUNT), parts)), found


def assert_equal(one: SegmentValues, other: SegmentValues) -> None:
    for name in ("segment", "pixels", "seen", "values"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b, name)


def test_batches_have_all_segments_in_ascending_order(tmp_path: Path) -> None:
    path, found = written(tmp_path / "values.parquet")
    batches = list(read_batches(path, NAMES))
    assert len(batches) == 10
    for k, batch in enumerate(batches):
        assert_equal(batch, taken(found, slice(10 * k, 10 * k + 10)))


def test_equal_segments_give_equal_bytes(tmp_path: Path) -> None:
    one, other = (written(tmp_path / f"{parts}.parquet", parts)[0].read_bytes() for parts in (1, 9))
    assert one == other


def test_columns_are_read_in_the_given_order(tmp_path: Path) -> None:
    """Also the column whose name is the beginning of another one up to a dot."""
    path, found = written(tmp_path / "values.parquet")
    for columns in ([1], [2, 0], []):
        got = np.concatenate([batch.values for batch in read_batches(path, [NAMES[k] for k in columns])])
        np.testing.assert_array_equal(got, found.values[:, columns])


def test_selected_segments_are_read_from_their_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, found = written(tmp_path / "values.parquet")
    groups, read_group = [], module._read_group

    def noted(file: parquet.ParquetFile, group: int, names: list[str]) -> SegmentValues:
        groups.append(group)
        return read_group(file, group, names)

    monkeypatch.setattr(module, "_read_group", noted)
    wanted = np.concatenate([found.segment[[95, 99, 30, 30]], [1, found.segment[50] + 1]])
    assert_equal(read_segments(path, wanted, NAMES), taken(found, np.array([30, 95, 99])))
    assert groups == [3, 5, 9]  # the number after the 50th segment is between two numbers of its group


def test_no_selected_segment_in_the_file_gives_empty_arrays(tmp_path: Path) -> None:
    path, found = written(tmp_path / "values.parquet")
    for wanted in ([], [7]):
        assert_equal(read_segments(path, np.array(wanted, np.int64), NAMES), taken(found, slice(0)))


def test_files_without_segments_can_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "none.parquet", segments(), [])
    assert list(read_batches(path, NAMES)) == []
    assert len(read_segments(path, np.array([3]), NAMES).segment) == 0
    write(tmp_path / "empty.parquet", segments(), [np.zeros(0, np.int64)])
    assert (tmp_path / "empty.parquet").read_bytes() == path.read_bytes()


def test_a_segment_added_twice_is_an_error_and_writes_no_file(tmp_path: Path) -> None:
    found = segments()
    with pytest.raises(ValueError, match=f"segment {found.segment[4]} was added twice"):
        write(tmp_path / "twice.parquet", found, [np.arange(10), np.array([20, 4])])
    assert list(tmp_path.iterdir()) == []


def test_other_numbers_of_values_than_names_are_an_error(tmp_path: Path) -> None:
    found = segments()
    wrong = SegmentValues(found.segment, found.pixels, found.seen, found.values[:, :2])
    with (
        pytest.raises(ValueError, match=r"values \(100, 2\) of 100 segments, 3 names"),
        segment_values_writer(tmp_path / "wrong.parquet", NAMES) as writer,
    ):
        writer.add(wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "table", "pages"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path, _ = written(tmp_path / "values.parquet")
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:-50])
    elif damage == "text":
        path.write_text("values", encoding="utf-8")
    elif damage == "table":
        parquet.write_table(parquet.read_table(path).select(NAMES), path)
    else:
        path.write_bytes(content[:4] + b"\xff" * 500 + content[504:])
    for read in (lambda: list(read_batches(path, NAMES)), lambda: read_segments(path, segments().segment, NAMES)):
        with pytest.raises(InputError, match=r"values\.parquet: .*Compute the values of the segments again"):
            read()


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path, _ = written(tmp_path / "values.parquet")
    with pytest.raises(InputError, match=r"lacks 2 of 3 columns \(first: evi_mean\)"):
        list(read_batches(path, ["evi_mean", NAMES[0], "evi_std"]))
    with pytest.raises(InputError, match="lacks 1 of 1 columns"):
        read_segments(path, np.array([1]), ["evi_mean"])


def test_the_space_of_values_in_any_order_is_reserved(tmp_path: Path) -> None:
    """Writing to a mapped file ends the process if the disk is full."""
    with (tmp_path / "scratch").open("w+b") as scratch:
        module.ValuesByNumber(scratch, (1000, 500))
        found = os.fstat(scratch.fileno())
    assert found.st_size == 2_000_000 <= 512 * found.st_blocks


def test_values_are_read_in_any_order_and_are_nan_for_other_segments(tmp_path: Path) -> None:
    numbers = np.arange(2, 41, 2, dtype=np.uint32)
    values = np.random.default_rng(0).random((20, len(NAMES))).astype(np.float32)
    found = SegmentValues(numbers, numbers.astype(np.int64), numbers.astype(np.int64), values)
    paths = [write(tmp_path / f"{k}.parquet", found, [np.arange(k, 20, 2)]) for k in (0, 1)]
    with values_by_number(paths, NAMES[::-1], 50) as stored:
        read = stored.of(np.array([40, 3, 2, 50, 8]))
        assert stored.of(numbers[:0]).shape == (0, len(NAMES))
    nothing = np.full(len(NAMES), np.nan, np.float32)
    np.testing.assert_array_equal(read, np.stack([values[19], nothing, values[0], nothing, values[3]])[:, ::-1])
    with values_by_number([], NAMES, 0) as stored:
        assert stored.of(np.zeros(0, np.int64)).shape == (0, len(NAMES))
