"""Files of sample copies: the rules of the user, and the numbers of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from iota2.compute.sample_copies import ALL, Copy, CopyCount
from iota2.core.nomenclature import Nomenclature
from iota2.errors import InputError
from iota2.io.tables.sample_rules import copies_csv, read_copies, read_copy_counts

CLASSES = Nomenclature((1, 2), ("a", "b"), ((1, 1, 1),) * 2, ("blé", "maize"))
MODELS = {"north": ("north",), "south": ("south",)}


def test_rules_are_read_with_byte_order_mark_and_accents(tmp_path: Path) -> None:
    path = tmp_path / "règles.csv"
    path.write_text("north,south,ble\u0301,-1\nsouth,north,maize,3\n", encoding="utf-8-sig")
    rules, warnings = read_copies(path, MODELS, CLASSES)
    assert (rules, warnings) == ((Copy("north", "south", 1, ALL), Copy("south", "north", 2, 3)), [])


@pytest.mark.parametrize("content", [b"north,south,bl\xe9,1", b"north,south,maize"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rules.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"rules.csv: (is not UTF-8|cannot be used)"):
        read_copies(tmp_path / "rules.csv", MODELS, CLASSES)
    with pytest.raises(InputError, match=r"gone.csv: cannot be read"):
        read_copies(tmp_path / "gone.csv", MODELS, CLASSES)


def test_numbers_are_written_and_read(tmp_path: Path) -> None:
    counts = (CopyCount(Copy("a, b", '"q"', 1, ALL), 7, 6, 1), CopyCount(Copy("2", "1", 2, 5), 3, 3, 0))
    path = tmp_path / "copies.csv"
    path.write_text(copies_csv(counts), encoding="utf-8")
    assert read_copy_counts(path) == counts
