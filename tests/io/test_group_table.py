"""The table of the groups of polygons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iota2.io.tables.split_groups import read_split_groups, split_groups_csv


def test_groups_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text(split_groups_csv(np.array([0, 3, 12]), np.array([1, 0, 1])), encoding="utf-8")
    assert read_split_groups(path) == {0: 1, 3: 0, 12: 1}
    path.write_text(split_groups_csv(np.zeros(0, int), np.zeros(0, int)), encoding="utf-8")
    assert read_split_groups(path) == {}


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "originfid,group\n1\n", "originfid,group\n1,x\n"])
def test_another_file_is_an_error_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "groups.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"groups\.csv is not a table of groups of polygons"):
        read_split_groups(path)
