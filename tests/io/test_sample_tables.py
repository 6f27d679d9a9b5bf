"""Sample tables written in chunks equal the same frame written at once, and need little memory."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from geopandas.testing import assert_geodataframe_equal

from iota2.core.tables import AUGMENTED
from iota2.errors import InputError
from iota2.io.tables import sample_tables as module
from iota2.io.tables.sample_tables import append_rows, append_samples, merge_tables, read_points, write_points
from iota2.io.tables.samples import read_columns
from iota2.io.tables.vectors import read_samples, write_samples

NAMES = [f"value_{k}" for k in range(23)]
every_format = pytest.mark.parametrize("suffix", [".sqlite", ".parquet"])


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_PER_READ", 7)
    monkeypatch.setattr(module, "ROWS_PER_GROUP", 11)


def points(count: int, seed: int = 0) -> gpd.GeoDataFrame:
    rng = np.random.default_rng(seed)
    frame = gpd.GeoDataFrame(
        {
            "region": ["1"] * count,
            "Été 'q' \"x\"": [None if k % 5 == 1 else f"forêt {k}" for k in range(count)],
            "i2label": rng.integers(1, 18, count),
            "share": np.where(rng.random(count) < 0.2, np.nan, rng.normal(size=count)),
        },
        geometry=gpd.points_from_xy(*rng.normal(size=(2, count)) * 1e6),
        crs="EPSG:2154",
    )
    frame["i2label"] = frame["i2label"].astype("int64")
    return frame


def features(count: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, len(NAMES))).astype(np.float32) * 9000
    values[:, 3] = np.rint(values[:, 3])
    return values


def framed(attributes: gpd.GeoDataFrame, values: np.ndarray) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        pd.concat([attributes, pd.DataFrame(values, columns=NAMES, index=attributes.index)], axis=1)
    )


@every_format
@pytest.mark.parametrize("name", ["s", "été 地図 'q' 100%#;?!"])
@pytest.mark.parametrize("count", [1, 22, 50])
def test_chunked_writing_gives_the_same_table_as_the_frame(tmp_path: Path, suffix: str, name: str, count: int) -> None:
    values = features(60)
    rows = np.random.default_rng(1).permutation(60)[:count]
    path = tmp_path / f"{name}{suffix}"
    write_points(points(count), NAMES, values, rows, path)
    write_samples(framed(points(count), values[rows]), tmp_path / f"plain{suffix}")
    found, expected = read_samples(path), read_samples(tmp_path / f"plain{suffix}")
    assert_geodataframe_equal(found, expected)
    np.testing.assert_array_equal(read_columns(path, NAMES), values[rows])
    whole = path.read_bytes()
    write_points(points(count), NAMES, values, rows, path)
    assert path.read_bytes() == whole


@every_format
def test_tables_are_merged_in_their_order(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{k}{suffix}" for k in range(4)]
    for k, (path, count) in enumerate(zip(paths, (0, 20, 0, 9), strict=True)):
        write_points(points(count, k), NAMES, features(count, k), np.arange(count), path)
    merge_tables(paths, tmp_path / f"merged{suffix}")
    found = read_samples(tmp_path / f"merged{suffix}")
    expected = pd.concat([read_samples(paths[1]), read_samples(paths[3])], ignore_index=True)
    assert_geodataframe_equal(found, gpd.GeoDataFrame(expected))
    whole = (tmp_path / f"merged{suffix}").read_bytes()
    merge_tables(paths, tmp_path / f"merged{suffix}")
    assert (tmp_path / f"merged{suffix}").read_bytes() == whole


@every_format
def test_a_single_table_is_taken_as_it_is(tmp_path: Path, suffix: str) -> None:
    path, merged = tmp_path / f"a{suffix}", tmp_path / f"m{suffix}"
    write_points(points(9), NAMES, features(9), np.arange(9), path)
    merge_tables([path], merged)
    whole = path.read_bytes()
    assert merged.read_bytes() == whole
    write_points(points(5), NAMES, features(5), np.arange(5), path)
    assert merged.read_bytes() == whole, "a later change of the table has no effect"
    path.write_bytes(b"nothing of the kind" * 50)
    with pytest.raises(InputError, match="cannot be read as a table of samples"):
        merge_tables([path], merged)


@every_format
def test_tables_without_rows_merge_to_one_with_columns(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write_points(points(0), NAMES, features(0), np.arange(0), tmp_path / f"{name}{suffix}")
    merge_tables([tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"], tmp_path / f"m{suffix}")
    found = read_samples(tmp_path / f"m{suffix}")
    assert (len(found), list(found.columns[-23:]) == NAMES or list(found.columns[-24:-1]) == NAMES) == (0, True)
    assert read_columns(tmp_path / f"m{suffix}", NAMES).shape == (0, 23)


@every_format
def test_a_table_that_cannot_be_merged_is_named(tmp_path: Path, suffix: str) -> None:
    good, bad, merged = (tmp_path / f"{name}{suffix}" for name in ("good", "bad", "merged"))
    write_points(points(9), NAMES, features(9), np.arange(9), good)
    for spoil in ("gone", "damaged", "other columns"):
        bad.unlink(missing_ok=True)
        if spoil == "damaged":
            bad.write_bytes(b"nothing of the kind" * 50)
        if spoil == "other columns":
            write_points(points(9), NAMES[1:], features(9)[:, 1:], np.arange(9), bad)
        with pytest.raises(InputError, match=rf"bad\{suffix}: (does not exist|cannot be read as a table of samples)"):
            merge_tables([good, bad], merged)
        assert not merged.exists()


def written(path: Path, count: int, seed: int) -> gpd.GeoDataFrame:
    write_points(points(count, seed), NAMES, features(count, seed), np.arange(count), path)
    return read_samples(path)


@every_format
@pytest.mark.parametrize("own", [0, 1, 25])
def test_rows_of_other_tables_are_appended(tmp_path: Path, suffix: str, own: int) -> None:
    path, one, other, target = (tmp_path / f"{name}{suffix}" for name in ("own", "one", "other", "target"))
    frames = [written(path, own, 1), written(one, 40, 2), written(other, 12, 3)]
    rows = [np.arange(own), np.array([0, 10, 11, 12, 39]), np.array([5])]
    for _ in range(2):
        append_rows(path, [(one, rows[1]), (one, rows[0][:0]), (other, rows[2])], target)
        expected = pd.concat([frame.iloc[at] for frame, at in zip(frames, rows, strict=True)], ignore_index=True)
        found = read_samples(target)
        assert_geodataframe_equal(found, gpd.GeoDataFrame(expected)[list(found.columns)], check_dtype=own > 0)
        np.testing.assert_array_equal(read_columns(target, NAMES), expected[NAMES].astype(np.float32))
        np.testing.assert_array_equal(read_points(target), expected.get_coordinates())
        whole = target.read_bytes()
    append_rows(path, [(one, rows[1]), (other, rows[2])], target)
    assert target.read_bytes() == whole


@every_format
@pytest.mark.parametrize("new", [0, 3, 60])
def test_new_samples_have_their_own_values_and_the_attributes_of_their_parents(
    tmp_path: Path, suffix: str, new: int
) -> None:
    path, target = tmp_path / f"own{suffix}", tmp_path / f"target{suffix}"
    frame, values = written(path, 25, 1), features(new, 9)
    parents = np.random.default_rng(0).integers(0, 25, new)
    append_samples(path, NAMES, values, parents, target)
    found = read_samples(target)
    assert found.columns.drop(found.geometry.name)[-1] == AUGMENTED
    assert found[AUGMENTED].tolist() == [0] * 25 + [1] * new
    attributes = [name for name in frame.columns if name not in NAMES]
    expected = pd.concat([frame, frame.iloc[parents]], ignore_index=True)[attributes]
    assert_geodataframe_equal(found[attributes], gpd.GeoDataFrame(expected), check_dtype=False)
    np.testing.assert_array_equal(read_columns(target, NAMES), np.concatenate([features(25, 1), values]))
    assert read_columns(target, [AUGMENTED], int)[:, 0].sum() == new
    whole = target.read_bytes()
    append_samples(path, NAMES, values, parents, target)
    assert target.read_bytes() == whole


@every_format
def test_a_table_to_which_rows_cannot_be_appended_is_named(tmp_path: Path, suffix: str) -> None:
    good, bad, target = (tmp_path / f"{name}{suffix}" for name in ("good", "bad", "target"))
    written(good, 9, 1)
    write_points(points(9), NAMES[1:], features(9)[:, 1:], np.arange(9), bad)
    message = rf"bad\{suffix}: cannot be read as a table of samples"
    with pytest.raises(InputError, match=message):
        append_rows(good, [(bad, np.array([1]))], target)
    bad.write_bytes(b"nothing of the kind" * 50)
    for attempt in (
        lambda: append_rows(bad, [(good, np.array([1]))], target),
        lambda: append_samples(bad, NAMES, features(1), np.zeros(1, int), target),
        lambda: read_points(bad),
    ):
        with pytest.raises(InputError, match=message):
            attempt()
    assert not target.exists()


PEAK = """
import sys
from pathlib import Path
import geopandas as gpd
import numpy as np
from iota2.io.tables.sample_tables import append_rows, append_samples, merge_tables, read_points, write_points
from iota2.io.tables.samples import read_columns
from iota2.io.tables.vectors import read_samples
from iota2.runs.workers.peak_memory import reset_peak, peak_mib

ROWS, FEATURES = 20_000, 481
root, suffix = Path(sys.argv[1]), sys.argv[2]
names = [f"value_{k}" for k in range(FEATURES)]
def work(rows):
    values = np.ones((rows, FEATURES), np.float32)
    points = gpd.GeoDataFrame({"region": ["1"] * rows}, geometry=gpd.points_from_xy(*np.ones((2, rows))), crs=2154)
    reset_peak()
    before = peak_mib()
    write_points(points, names, values, np.arange(rows), root / f"s{suffix}")
    return before
work(20)
before = work(ROWS)
written = peak_mib() - before
reset_peak()
before = peak_mib()
merge_tables([root / f"s{suffix}"] * 3, root / f"m{suffix}")
print(written, peak_mib() - before)
"""


@every_format
def test_writing_needs_little_memory_in_addition_to_the_samples(tmp_path: Path, suffix: str) -> None:
    """20,000 samples with 481 features have 37 MiB; three such tables are merged."""
    done = subprocess.run([sys.executable, "-c", PEAK, tmp_path, suffix], capture_output=True, text=True, check=True)
    written, merged = map(int, done.stdout.split())
    assert written < 75, "some thousand rows on the way, not the table again and again"
    assert merged < 75, "less than the 111 MiB of what is merged"


def test_a_full_disk_is_not_reported_as_an_error_of_the_table(tmp_path: Path) -> None:
    read = tmp_path / "read.sqlite"
    read.touch()
    with closing(sqlite3.connect(tmp_path / "full.sqlite")) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("PRAGMA max_page_count = 3")
        with pytest.raises(sqlite3.OperationalError, match="full"), module._read_errors(read):
            connection.execute("INSERT INTO t VALUES (?)", ("x" * 100_000,))
