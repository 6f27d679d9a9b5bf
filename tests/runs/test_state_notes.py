"""Damaged state files count as absent, are reported, and are recreated."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iota2 import layout
from iota2.errors import OutputError
from iota2.runs.progress.state_notes import STATE_FILES, state_notes
from iota2.runs.records.lock import holder, locked
from iota2.runs.records.output import removable
from iota2.runs.records.records import Ledger
from iota2.runs.records.state import StateFile, remove_obstacle
from iota2.runs.workers.heartbeat import heartbeat_file, read_heartbeat, read_heartbeats
from tests.chain.helpers import SMALL, Case, made
from tests.forked import Commands, commands
from tests.special_files import SPECIAL_FILES, put

TEXTS = {
    "a list": "[1]",
    "nothing": "null",
    "a number": "7",
    "a text": '"x"',
    "lists by name": '{"a": []}',
    "objects by name": '{"a": {"b": 1}}',
    "numbers by name": '{"a": 1, "b": [1, 2, 3]}',
    "deep": "[" * 100_000,
    "half": '{"a": {"b',
    "a number too long": '{"a": [' + "9" * 5000 + ', 1, "x"]}',
    "other fields": '{"state": ["done"], "journal": 0}',
    "negative": '{"state": "done", "journal": -5}',
    "huge": '{"state": "done", "journal": 1e400}',
    "an object in a list": '[{"tile": 1}]',
    "wrong types in a list": '[{"tile": 1, "product": [], "path": {}, "size": "x", "modified": null}]',
}
JSON_FILES = [file for file in STATE_FILES if file.path.endswith(".json")]
STATE = [file.path for file in STATE_FILES]


@pytest.mark.parametrize("file", JSON_FILES, ids=lambda file: file.path)
@pytest.mark.parametrize("text", TEXTS)
def test_a_damaged_state_file_counts_as_absent_and_is_reported(file: StateFile[Any], text: str, tmp_path: Path) -> None:
    path = tmp_path / file.path
    path.parent.mkdir()
    path.write_text(TEXTS[text], encoding="utf-8")
    assert file.load(tmp_path) == file.absent()
    assert file.damage_note(tmp_path).startswith(f"{path}: is damaged (")
    assert file.damage_note(tmp_path).endswith(file.lost)


@pytest.mark.parametrize("file", STATE_FILES, ids=lambda file: file.path)
@pytest.mark.parametrize("kind", SPECIAL_FILES)
def test_an_irregular_state_file_counts_as_absent_and_is_removed(
    file: StateFile[Any], kind: str, tmp_path: Path
) -> None:
    path = tmp_path / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    put(kind, path)
    assert file.load(tmp_path) == file.absent()
    assert file.damage_note(tmp_path).startswith(f"{path}: ")
    remove_obstacle(path)
    assert not path.exists()
    assert not path.is_symlink()
    assert file.damage_note(tmp_path) == ""


@pytest.mark.parametrize("file", STATE_FILES, ids=lambda file: file.path)
def test_undecodable_bytes_are_damage(file: StateFile[Any], tmp_path: Path) -> None:
    path = tmp_path / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"final/a\n\xfffinal/b\n")
    assert file.load(tmp_path) == file.absent()
    assert "is damaged ('utf-8' codec" in file.damage_note(tmp_path)


def test_a_non_empty_folder_is_kept_and_reported(tmp_path: Path) -> None:
    (tmp_path / "inputs.json/mine").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"inputs.json: is a folder that is not empty"):
        remove_obstacle(tmp_path / "inputs.json")
    assert (tmp_path / "inputs.json/mine").is_dir()


def test_files_and_links_to_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x", encoding="utf-8")
    (tmp_path / "b").symlink_to("a")
    for name in ("a", "b", "absent"):
        remove_obstacle(tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_readable_lines_of_a_damaged_list_of_outputs_are_used(tmp_path: Path) -> None:
    (tmp_path / ".iota2").mkdir()
    (tmp_path / "one").write_text("", encoding="utf-8")
    (tmp_path / layout.OUTPUTS.path).write_bytes(b"one\nt\xffwo\n/etc/passwd\n../up\n" + b"x" * 300 + b"\n")
    assert tmp_path / "one" in removable(tmp_path)
    (tmp_path / "mine").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="contains files that this program did not make"):
        removable(tmp_path)


RECORD = {"id": "Step/x", "version": 1, "params": "p", "inputs": {"a": "d"}, "outputs": {"o": [1, 2, "c"]}}


@pytest.mark.parametrize(
    "change",
    [
        {"id": []},
        {"id": None},
        {"version": "1"},
        {"params": 3},
        {"inputs": []},
        {"inputs": {"a": 1}},
        {"outputs": {"o": [1, 2]}},
        {"outputs": {"o": ["1", 2, "c"]}},
        {"outputs": {"o": {"size": 1}}},
        {"outputs": None},
        {"seconds": "long"},
        {"peak": 1.5},
        {"other": 1},
    ],
    ids=str,
)
def test_a_damaged_record_is_counted_and_others_remain_valid(change: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / ".iota2").mkdir()
    whole = json.dumps(RECORD)
    (tmp_path / layout.RECORDS.path).write_text(f"{json.dumps(RECORD | change)}\n{whole}\n", encoding="utf-8")
    ledger = Ledger(tmp_path)
    assert list(ledger.records) == ["Step/x"]
    assert ledger.damage_note() == f"{ledger.path}: 1 line damaged. Their jobs run again."
    ledger.compact()
    assert Ledger(tmp_path).damage_note() == ""


def test_an_incomplete_last_record_is_not_damage(tmp_path: Path) -> None:
    (tmp_path / ".iota2").mkdir()
    (tmp_path / layout.RECORDS.path).write_text(f"{json.dumps(RECORD)}\n{json.dumps(RECORD)[:20]}", encoding="utf-8")
    assert Ledger(tmp_path).damage_note() == ""


@pytest.mark.parametrize("kind", SPECIAL_FILES)
def test_an_irregular_file_of_records_is_replaced(kind: str, tmp_path: Path) -> None:
    (tmp_path / ".iota2").mkdir()
    put(kind, tmp_path / layout.RECORDS.path)
    ledger = Ledger(tmp_path)
    assert ledger.records == {}
    assert "It is recreated; all jobs run again." in ledger.damage_note()
    ledger.compact()
    assert ledger.damage_note() == ""


@pytest.mark.parametrize("kind", SPECIAL_FILES)
def test_an_irregular_lock_file_is_refused_and_reported(kind: str, tmp_path: Path) -> None:
    (tmp_path / ".iota2").mkdir()
    put(kind, tmp_path / layout.LOCK.path)
    assert holder(tmp_path) is None
    with pytest.raises(OutputError, match=r"lock: .*Delete it if no run uses the folder"), locked(tmp_path):
        raise AssertionError


@pytest.mark.parametrize(
    "text", ["[1]", "null", '{"host": 1}', "[" * 100_000, '{"host":"h","pid":"x","boot":"","started":0}']
)
def test_a_damaged_lock_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / layout.LOCK.path
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OutputError, match="this lock cannot be read"), locked(tmp_path):
        raise AssertionError


@pytest.mark.parametrize(
    "text", ["[1]", '{"id": 1}', "[" * 100_000, '{"id":"a","worker":"b","started":"x","seen":0,"peak":0}']
)
def test_a_damaged_heartbeat_counts_as_absent(text: str, tmp_path: Path) -> None:
    path = heartbeat_file(tmp_path, "Step/x")
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert read_heartbeat(tmp_path, "Step/x") is None
    put("pipe", path)
    assert read_heartbeats(tmp_path) == {}


# --------------------------------------------------------------------------------------------------- a whole run


@pytest.fixture(scope="module")
def iota2() -> Iterator[Commands]:
    with commands() as started:
        yield started


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory, iota2: Commands) -> Case:
    case = made(SMALL, tmp_path_factory.mktemp("mapped") / "world")
    assert iota2("run", case.configured(), "--workers", 0, seconds=120).code == 0
    return case


SPOILED = {
    "all pipes": lambda path: put("pipe", path),
    "all folders": lambda path: put("folder", path),
    "all [1]": lambda path: path.write_text("[1]\n", encoding="utf-8"),
    "all no text": lambda path: path.write_bytes(b"\xff\n" + path.read_bytes() if path.exists() else b"\xff\n"),
}


IN_SHORT = ("all pipes", "all no text")


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=[] if how in IN_SHORT else [pytest.mark.long]) for how in SPOILED]
)
def test_with_all_state_damaged_every_command_reports_it_and_a_run_recreates_it(
    how: str, mapped: Case, iota2: Commands, tmp_path: Path
) -> None:
    config = mapped.configured(chain={"output_path": str(tmp_path / "results")})
    shutil.copytree(mapped.output, tmp_path / "results")
    names = [*STATE, layout.REASONS.path, layout.RECORDS.path, f"features/T31TCJ/tmp/{Path(layout.LISTING.path).name}"]
    names += ["logs/mosaic/" + path.name for path in (mapped.output / "logs/mosaic").iterdir()]
    for name in names:
        SPOILED[how](tmp_path / "results" / name)
    noted = [name for name in STATE if how != "all [1]" or name.endswith(".json")]
    for words in (("plan",), ("status",), ("why", "mosaic"), ("check",), ("verify",)):
        outcome = iota2(words[0], config, *words[1:])
        assert outcome.code in (0, 1), outcome
        assert "Traceback" not in outcome.output
        for name in [*noted, layout.RECORDS.path]:
            assert f"note: {tmp_path / 'results' / name}: " in outcome.out.replace("\n", " ").replace("  ", " "), name
    outcome = iota2("run", config, "--workers", 0, seconds=120)
    assert outcome.code == 0, outcome
    assert f"note: {tmp_path / 'results' / layout.RECORDS.path}: " in outcome.out
    assert state_notes(tmp_path / "results") == []
    assert "note: " not in iota2("status", config).out
