"""The output folder is created, marked, and emptied only if it contains no foreign file."""

from __future__ import annotations

from pathlib import Path

import pytest

from iota2 import layout
from iota2.errors import OutputError
from iota2.io.files.atomic import temporary_path
from iota2.runs.records.lock import LOCK, locked
from iota2.runs.records.output import OUTPUT_LIST, claim, empty, left_over, prepare, removable, require_ours
from tests.chain.helpers import Case, case, command, run, small

__all__ = ["case", "small"]
RUN_FILES = (
    "Eco.v2.dbf",
    "final/old.tif.aux.xml",
    "IOTA2_tasks_status.txt",
    "logs.zip",
    "logs/learnModel/learnModel_1.out",
    "logs/under_way/learnModel-0123456789ab.json",
    "logs/workers/worker-17.log",
    "logs/html/index.html",
    "logs/html/jobs/learnModel-0123456789ab.html",
    f"{layout.MARK}/reasons.txt",
)
"""Files that runs write in addition to the outputs of jobs."""
FOREIGN_FILES = (
    "notes.txt",
    "final/project.qgz",
    "MyRegion.qgz",
    "new/x.tif",
    ".bashrc.old",
    "final/.secret.partner.doc",
    "final/.map.part.tif",
    "model/model_1/notes.txt",
    "logs/thesis.txt",
    "logs/slurm-17.out",
    "logs/mine/run.out",
    "logs/html/notes.html",
    f"{layout.MARK}/key.pem",
)


def made(root: Path, *names: str) -> Path:
    """An output folder in which a run made files with these names."""
    claim(root)
    prepare(root, names, remove=False)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("made")
    return root


def test_a_missing_folder_is_created_and_marked(tmp_path: Path) -> None:
    root = made(tmp_path / "a/b")
    assert (root / layout.MARK).is_dir()
    assert (root / "final/TMP").is_dir()


def test_earlier_outputs_are_removed_only_on_request(tmp_path: Path) -> None:
    root = made(tmp_path, "final/old.tif", "Eco.v2.shp", "model/model_1.txt")
    for name in (
        *RUN_FILES,
        str(temporary_path(Path("final/old.tif"))),
        f"{temporary_path(Path('model/model_1'), 'old')}/x",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("beside")
    prepare(root, ["final/new.tif"], remove=False)
    assert (root / "final/old.tif").exists()
    with locked(root):
        prepare(root, ["final/new.tif"], remove=True)
        assert (root / LOCK).exists()
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert files == {f"{layout.MARK}/outputs.txt"}
    assert (root / "final").is_dir()


def test_files_that_appear_after_the_check_are_kept(tmp_path: Path) -> None:
    root = made(tmp_path, "final/old.tif", "features/T1/x.tif")
    (root / "logs/workers").mkdir(parents=True)
    (root / "logs/workers/worker-1.log").write_text("of an earlier run")
    files = removable(root)
    assert files[-1] == root / OUTPUT_LIST, "the list of outputs is deleted last"
    (root / "logs/workers/worker-2.log").write_text("a worker of this run says something")
    empty(root, files)
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["worker-2.log"]
    assert not (root / "features").exists()
    (root / "logs/workers/worker-2.log").unlink()
    empty(root, [])
    assert (root / "logs/workers").is_dir(), "a worker may already write there"


def test_a_non_empty_folder_without_the_mark_is_refused_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(OutputError, match=r"not made by this program.*thesis\.docx"):
        claim(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


@pytest.mark.parametrize("foreign", FOREIGN_FILES)
def test_a_foreign_file_prevents_the_removal_of_any_file(tmp_path: Path, foreign: str) -> None:
    root = made(tmp_path, "final/map.tif", "MyRegion.shp", "model/model_1/model.json")
    (root / OUTPUT_LIST).write_text("final/map.tif\nMyRegion.shp\nmodel/model_1\n")
    prepare(root, [], remove=False)
    (root / foreign).parent.mkdir(parents=True, exist_ok=True)
    (root / foreign).write_text("mine")
    with pytest.raises(OutputError, match=rf"{foreign}.*nothing was removed"):
        prepare(root, [], remove=True)
    assert (root / "final/map.tif").exists()


@pytest.mark.parametrize(
    "name", ["final/report.html", "final/RESULTS.txt", "IOTA2_tasks_status.txt", "logs/learnModel/learnModel_1.out"]
)
def test_an_empty_mark_does_not_permit_the_removal_of_files(tmp_path: Path, name: str) -> None:
    """A file of the user in a folder without any run."""
    (tmp_path / layout.MARK).mkdir()
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    claim(tmp_path)
    with pytest.raises(OutputError, match=rf"did not make \({name}\)"):
        removable(tmp_path)


def test_a_known_name_without_a_planned_output_is_foreign(tmp_path: Path) -> None:
    root = made(tmp_path, "final/map.tif")
    (root / layout.REPORT.path).write_text("mine")
    with pytest.raises(OutputError, match=r"did not make \(final/report\.html\)"):
        removable(root)


def test_a_mark_that_is_a_link_prevents_the_removal(tmp_path: Path) -> None:
    other = made(tmp_path / "other", "final/map.tif")
    root = tmp_path / "out"
    (root / "final").mkdir(parents=True)
    (root / "final/map.tif").write_text("mine")
    (root / layout.MARK).symlink_to(other / layout.MARK)
    with pytest.raises(OutputError, match="symbolic link"):
        removable(root)


def test_all_files_of_a_complete_run_can_be_removed(case: Case) -> None:
    """Logs, pages, models and tables of every step: a second run may empty the folder."""
    config = run(case.configured(arg_classification={"enable_probability_map": True}))
    root = config.chain.output_path
    assert len(removable(root)) == sum(path.is_file() for path in root.rglob("*"))
    (root / "model/model_1_seed_0/notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"\(model/model_1_seed_0/notes\.txt\)"):
        removable(root)


def test_outputs_of_other_settings_are_reported_products_first(tmp_path: Path) -> None:
    first, second, tile = "final/Classif_Seed_0.tif", "final/Classif_Seed_1.tif", "classif/a_seed_1.tif"
    root = made(tmp_path, tile, first, second, "never.tif")
    (root / "never.tif").unlink()
    assert left_over(root, [first]) == [second, tile]
    assert left_over(root, [first, second, tile]) == []


def test_links_are_foreign_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.tif").write_text("x")
    root = made(tmp_path / "out", "final/map.tif")
    (root / "final/TMP").rmdir()
    (root / "final/TMP").symlink_to(outside)
    with pytest.raises(OutputError, match="final/TMP"):
        prepare(root, [], remove=True)
    assert (outside / "precious.tif").exists()


def test_the_home_folder_is_never_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    made(tmp_path)
    with pytest.raises(OutputError, match="never emptied"):
        prepare(tmp_path, [], remove=True)
    assert (tmp_path / "final").is_dir()


def test_a_file_at_the_path_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        claim(tmp_path / "out")


@pytest.mark.parametrize("notes", [(), ("reasons.txt",), ("inputs.json", "configuration.json")])
def test_files_at_paths_of_outputs_are_not_overwritten_without_an_earlier_run(
    tmp_path: Path, notes: tuple[str, ...]
) -> None:
    """An empty mark does not permit overwriting either."""
    mark = tmp_path / layout.MARK
    mark.mkdir()
    for name in notes:
        (mark / name).write_text("{}")
    report = tmp_path / "final/report.html"
    report.parent.mkdir()
    report.write_text("mine")
    for attempt in (
        require_ours,
        lambda *given: prepare(*given, remove=False),
        lambda *given: prepare(*given, remove=True),
    ):
        with pytest.raises(OutputError, match=r"final/report\.html"):
            attempt(tmp_path, ["final/report.html"])
    assert report.read_text() == "mine"
    assert not (tmp_path / OUTPUT_LIST).exists()


def test_outputs_of_an_earlier_run_and_folders_without_outputs_are_accepted(tmp_path: Path) -> None:
    require_ours(tmp_path / "new", ["a.tif"])
    root = made(tmp_path / "out", "a.tif")
    require_ours(root, ["a.tif", "b.tif"])
    (root / OUTPUT_LIST).write_bytes(b"a.tif\n\xff")
    require_ours(root, ["a.tif"])


def test_check_and_run_refuse_files_at_paths_of_outputs(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = case.configured()
    report = case.output / "final/report.html"
    report.parent.mkdir(parents=True)
    (case.output / layout.MARK).mkdir()
    report.write_text("mine")
    for name in ("check", "plan", "run"):
        code, _, error = command(capsys, name, config)
        assert code == 1
        assert "contains files that no record of a run lists (final/report.html)" in error
    assert report.read_text() == "mine"


def test_logs_of_steps_that_a_former_builder_had_are_removed(tmp_path: Path) -> None:
    root = made(tmp_path, "final/old.tif")
    prepare(root, ["final/old.tif"], steps=["formerStep"], remove=False)
    log = root / "logs/formerStep/former_A.err"
    log.parent.mkdir(parents=True)
    log.touch()
    prepare(root, ["final/new.tif"], steps=["mosaic"], remove=False)
    assert log in removable(root)
    assert left_over(root, ["final/new.tif"]) == ["final/old.tif"], "log folders are no outputs"
