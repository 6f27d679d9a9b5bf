"""Columns of sample tables are read as arrays with the written values, and with little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from iota2.errors import InputError
from iota2.io.tables import samples as module
from iota2.io.tables.samples import read_columns
from iota2.io.tables.vectors import read_samples, write_samples

FEATURES = [f"value_{k}" for k in range(37)]
every_format = pytest.mark.parametrize("suffix", [".sqlite", ".parquet"])


def table(count: int = 50) -> gpd.GeoDataFrame:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(count, len(FEATURES))).astype(np.float32)
    frame = gpd.GeoDataFrame(values, columns=FEATURES, geometry=gpd.points_from_xy(values[:, 0], values[:, 1]))
    frame.insert(0, "code", rng.integers(1, 9, count))
    frame.insert(1, 'it\'s "odd"', rng.normal(size=count).astype(np.float32))
    return frame.set_crs("EPSG:2154")


@every_format
@pytest.mark.parametrize("name", ["s", "été 地図 'q' 100%#;?!"])
def test_columns_come_back_as_written_in_the_order_asked_for(tmp_path: Path, suffix: str, name: str, monkeypatch):
    monkeypatch.setattr(module, "ROWS_PER_READ", 7)
    path = tmp_path / f"{name}{suffix}"
    write_samples(table(), path)
    wanted = [*FEATURES[::-1], 'it\'s "odd"']
    found = read_columns(path, wanted)
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_array_equal(found, table()[wanted].to_numpy())
    np.testing.assert_array_equal(found, read_samples(path)[wanted].to_numpy(np.float32))
    codes = read_columns(path, ["code"], int)
    assert codes.dtype == int
    np.testing.assert_array_equal(codes[:, 0], table()["code"])


@every_format
def test_missing_values_are_nan_and_rejected_for_integer_types(tmp_path: Path, suffix: str):
    frame = table()
    frame.loc[3, "value_5"] = np.nan
    write_samples(frame, tmp_path / f"s{suffix}")
    found = read_columns(tmp_path / f"s{suffix}", FEATURES)
    np.testing.assert_array_equal(found, frame[FEATURES].to_numpy())
    frame["code"] = frame["code"].where(frame.index != 4).astype("Int64")
    write_samples(frame, tmp_path / f"t{suffix}")
    with pytest.raises(InputError, match="cannot be read as a table of samples"):
        read_columns(tmp_path / f"t{suffix}", ["code"], int)


@every_format
def test_a_table_without_rows_has_columns(tmp_path: Path, suffix: str):
    write_samples(table().iloc[:0], tmp_path / f"s{suffix}")
    assert read_columns(tmp_path / f"s{suffix}", FEATURES).shape == (0, 37)


@every_format
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, suffix: str):
    path = tmp_path / f"s{suffix}"
    with pytest.raises(InputError, match=rf"s\{suffix}: does not exist"):
        read_columns(path, FEATURES)
    write_samples(table(), path)
    with pytest.raises(InputError, match=rf"s\{suffix}: lacks column 'b2' \(2 of 39 expected columns are missing\)"):
        read_columns(path, [*FEATURES, "b2", "b3"])
    whole = path.read_bytes()
    for content in (b"", b"nothing of the kind" * 50, whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"s\{suffix}: "):
            read_columns(path, FEATURES)


@every_format
def test_reading_needs_little_memory_in_addition_to_the_values(tmp_path: Path, suffix: str, monkeypatch):
    monkeypatch.setattr(module, "ROWS_PER_READ", 64)
    write_samples(table(20_000), tmp_path / f"s{suffix}")
    read_columns(tmp_path / f"s{suffix}", FEATURES[:1])
    tracemalloc.start()
    found = read_columns(tmp_path / f"s{suffix}", FEATURES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * found.nbytes
