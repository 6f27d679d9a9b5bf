"""Files of remarks are read as written, and invalid content is rejected."""

from __future__ import annotations

from pathlib import Path

import pytest

from iota2.core.remarks import Remark, remarks_about, texts_of
from iota2.io.files.atomic import write_json
from iota2.io.tables.remark_lists import read_remarks, write_remarks


def test_remarks_are_read_as_they_were_written(tmp_path: Path) -> None:
    remarks = (
        Remark("Sentinel_2, tile T: é is odd", "values", "T", "Sentinel2"),
        *remarks_about(["one", "two"], "reference"),
    )
    write_remarks(tmp_path / "notes.json", remarks)
    assert read_remarks(tmp_path / "notes.json") == remarks
    assert texts_of(remarks)[1:] == ("one", "two")


@pytest.mark.parametrize("content", [["a sentence"], [{"text": "t"}], [{"text": "t", "kind": "values", "more": ""}]])
def test_other_content_is_rejected(tmp_path: Path, content: list[object]) -> None:
    write_json(tmp_path / "notes.json", content)
    with pytest.raises(TypeError):
        read_remarks(tmp_path / "notes.json")
