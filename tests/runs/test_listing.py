"""Detection of changed image files."""

from __future__ import annotations

from pathlib import Path

import pytest

from iota2.runs.survey import listing
from iota2.runs.survey.listing import MAX_WHOLE_BYTES, SAMPLE_BYTES, fingerprint


def changed_at(path: Path, place: int) -> bool:
    """Whether a changed byte at a position changes the fingerprint."""
    size, before = path.stat().st_size, fingerprint(path, path.stat().st_size)
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(b"x")
    return fingerprint(path, size) != before


@pytest.mark.parametrize("size", [1, SAMPLE_BYTES + 1, 3 << 20])
def test_any_changed_byte_of_a_completely_read_file_is_detected(tmp_path: Path, size: int) -> None:
    path = tmp_path / "mask.tif"
    for place in {0, size // 3, size // 2, size - 1}:
        path.write_bytes(bytes(size))
        assert changed_at(path, place), place


def test_changes_of_larger_files_are_detected_in_samples_and_at_both_ends(tmp_path: Path) -> None:
    """Other changes are not detected, as described in ``docs/howto/restart.md``."""
    path, size = tmp_path / "band.tif", MAX_WHOLE_BYTES + 1
    path.write_bytes(bytes(size))
    assert changed_at(path, 0)
    assert changed_at(path, size - 1)
    assert changed_at(path, (size - SAMPLE_BYTES) * 7 // 15)
    assert not changed_at(path, size // 2)


def test_files_of_different_size_have_different_fingerprints(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    prints = set()
    for size in (0, 1, MAX_WHOLE_BYTES, MAX_WHOLE_BYTES + 1):
        path.write_bytes(bytes(size))
        prints.add(fingerprint(path, size))
    assert len(prints) == 4


def test_a_file_of_the_same_size_and_time_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "band.tif"
    path.write_bytes(bytes(100))
    stat = path.stat()
    known: listing.Entry = [stat.st_size, stat.st_mtime_ns, "known"]
    assert listing._entry(str(path), known) == known
    assert listing._entry(str(path), [stat.st_size, 1, "known"])[2] == fingerprint(path, 100)
