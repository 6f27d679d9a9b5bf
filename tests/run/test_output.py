"""The output folder is made, marked, and only ever emptied when all in it is ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from iota2 import layout
from iota2.errors import OutputError
from iota2.run.lock import LOCK, locked
from iota2.run.output import claim, prepare


def made(root: Path, *names: str) -> Path:
    """An output folder in which a run made files of these names."""
    claim(root)
    prepare(root, [root / name for name in names], remove=False)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("made")
    return root


def test_a_new_folder_is_made_and_marked(tmp_path: Path) -> None:
    root = made(tmp_path / "a/b")
    assert (root / layout.MARK).is_dir()
    assert (root / "final/TMP").is_dir()


def test_what_earlier_runs_made_is_removed_and_only_when_asked(tmp_path: Path) -> None:
    root = made(tmp_path, "final/old.tif", "Eco.v2.shp", "model/model_1")
    for name in ("Eco.v2.dbf", "final/old.tif.aux.xml", "final/.old.part.tif", "logs/x.out", "IOTA2_tasks_status.txt"):
        (root / name).write_text("beside")
    prepare(root, [root / "final/new.tif"], remove=False)
    assert (root / "final/old.tif").exists()
    with locked(root):
        prepare(root, [root / "final/new.tif"], remove=True)
        assert (root / LOCK).exists()
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert files == {f"{layout.MARK}/outputs.txt"}
    assert (root / "final").is_dir()


def test_a_folder_without_our_mark_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(OutputError, match=r"not made by this program.*thesis\.docx"):
        claim(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


@pytest.mark.parametrize("stranger", ["notes.txt", "final/project.qgz", "MyRegion.qgz", "new/x.tif"])
def test_a_stranger_among_our_files_stops_the_removal_before_anything_is_lost(tmp_path: Path, stranger: str) -> None:
    root = made(tmp_path, "final/map.tif", "MyRegion.shp")
    (root / stranger).parent.mkdir(exist_ok=True)
    (root / stranger).write_text("mine")
    with pytest.raises(OutputError, match=rf"{stranger}.*nothing was removed"):
        prepare(root, [], remove=True)
    assert (root / "final/map.tif").exists()


def test_links_are_strangers_and_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.tif").write_text("x")
    root = made(tmp_path / "out", "final/map.tif")
    (root / "final/TMP").rmdir()
    (root / "final/TMP").symlink_to(outside)
    with pytest.raises(OutputError, match="final/TMP"):
        prepare(root, [], remove=True)
    assert (outside / "precious.tif").exists()


def test_home_is_never_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    made(tmp_path)
    with pytest.raises(OutputError, match="never emptied"):
        prepare(tmp_path, [], remove=True)
    assert (tmp_path / "final").is_dir()


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        claim(tmp_path / "out")
