"""The output folder is made, marked, and only ever emptied when it is ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from iota2 import layout
from iota2.errors import OutputError
from iota2.run.output import prepare


def contents(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def test_a_new_folder_is_made_and_marked(tmp_path: Path) -> None:
    prepare(tmp_path / "a/b", remove=True, regions="MyRegion")
    assert (tmp_path / "a/b" / layout.MARK).is_file()
    assert (tmp_path / "a/b/final/TMP").is_dir()


def test_what_an_earlier_run_made_is_removed_and_only_when_asked(tmp_path: Path) -> None:
    prepare(tmp_path, remove=False, regions="Eco")
    old = [tmp_path / name for name in ("final/old.tif", "Eco.shp", "reference_data.dbf", "IOTA2_tasks_status.txt")]
    for path in old:
        path.write_text("old")
    prepare(tmp_path, remove=False, regions="Eco")
    assert all(path.exists() for path in old)
    prepare(tmp_path, remove=True, regions="Eco")
    assert not any(path.exists() for path in old)
    assert (tmp_path / layout.MARK).exists()


def test_a_folder_without_our_mark_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    for remove in (True, False):
        with pytest.raises(OutputError, match=r"not made by this program.*thesis\.docx"):
            prepare(tmp_path, remove=remove, regions="MyRegion")
    assert contents(tmp_path) == {"thesis.docx"}


def test_a_stranger_among_our_files_stops_the_removal_before_anything_is_lost(tmp_path: Path) -> None:
    prepare(tmp_path, remove=False, regions="MyRegion")
    (tmp_path / "final/map.tif").write_text("map")
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(OutputError, match=r"notes\.txt.*nothing was removed"):
        prepare(tmp_path, remove=True, regions="MyRegion")
    assert (tmp_path / "final/map.tif").exists()


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.tif").write_text("x")
    root = tmp_path / "out"
    prepare(root, remove=False, regions="MyRegion")
    (root / "final/TMP").rmdir()
    (root / "final/TMP").symlink_to(outside)
    prepare(root, remove=True, regions="MyRegion")
    assert (outside / "precious.tif").exists()


def test_home_is_never_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    prepare(tmp_path, remove=False, regions="MyRegion")
    with pytest.raises(OutputError, match="never removed"):
        prepare(tmp_path, remove=True, regions="MyRegion")
    assert (tmp_path / "final").is_dir()


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        prepare(tmp_path / "out", remove=False, regions="MyRegion")
