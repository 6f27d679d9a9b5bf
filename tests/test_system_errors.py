"""Errors of the system are reported with path, reason and remedy, without a traceback."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iota2.errors import REMEDIES, exit_code_of, message_of
from tests.chain.helpers import SMALL as SMALL_WORLD
from tests.chain.helpers import WEST, Case, made
from tests.forked import Commands, Outcome, commands
from tests.special_files import SPECIAL_FILES, put, remove

MAX_SECONDS = 5


@pytest.fixture(scope="module")
def iota2() -> Iterator[Commands]:
    with commands() as started:
        yield started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, iota2: Commands) -> Case:
    """A complete run; tests undo their changes."""
    case = made(SMALL_WORLD, tmp_path_factory.mktemp("shared") / "world")
    assert iota2("run", case.configured(), "--workers", 0, seconds=120).code == 0
    return case


@contextmanager
def changed(path: Path, change: Callable[[Path], object]) -> Iterator[None]:
    """Replace a file or folder while the body runs."""
    kept = path.with_name(f"kept {path.name}.away")
    os.rename(path, kept)
    try:
        change(path)
        yield
    finally:
        remove(path)
        os.rename(kept, path)


@contextmanager
def allowed(path: Path, mode: int) -> Iterator[None]:
    """Change permissions while the body runs."""
    former = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(former)


def assert_refused(outcome: Outcome, *words: str) -> None:
    assert outcome.code == 1, outcome
    assert "Traceback" not in outcome.output
    assert outcome.seconds < MAX_SECONDS
    for word in words:
        assert word in outcome.err, outcome.err


# --------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize("number", REMEDIES, ids=errno.errorcode.get)
def test_a_system_error_is_reported_with_path_reason_and_remedy(number: int) -> None:
    error = OSError(number, os.strerror(number), "/some/file")
    assert message_of(error) == f"/some/file: {os.strerror(number)}. {REMEDIES[number]}."
    assert exit_code_of(error) == 1


def test_a_limit_of_file_sizes_is_named_as_a_cause() -> None:
    assert "(ulimit -f)" in message_of(OSError(errno.EFBIG, "File too large", "a.tif"))


def test_errors_with_two_paths_or_without_path_or_number_are_reported() -> None:
    assert message_of(OSError(errno.EXDEV, "Cross-device", "a", None, "b")).startswith("a and b: Cross-device. Both")
    assert (
        message_of(OSError("the server hung up")) == "the server hung up. Check the path and the disk, then run again."
    )
    assert message_of(OSError()) == "OSError. Check the path and the disk, then run again."
    assert exit_code_of(MemoryError()) == 1
    assert exit_code_of(KeyError("x")) == 3


# ------------------------------------------------------------------------------------------------ permissions


UNREADABLE = {
    "a band": lambda case: case.file("*_FRE_B8.tif"),
    "a mask": lambda case: case.file("MASKS/*_CLM_R1.tif"),
    "the vector file": lambda case: case.files.ground_truth,
    "the attributes": lambda case: case.files.ground_truth.with_suffix(".dbf"),
    "the projection": lambda case: case.files.ground_truth.with_suffix(".prj"),
    "the nomenclature": lambda case: case.files.nomenclature,
    "the colour table": lambda case: case.files.colors,
    "a product": lambda case: case.products()[1],
    "the masks": lambda case: case.products()[1] / "MASKS",
    "the tile": lambda case: case.files.s2_path / WEST,
    "the sensor": lambda case: case.files.s2_path,
    "the folder of vectors": lambda case: case.files.ground_truth.parent,
    "the records": lambda case: case.output / ".iota2/records.jsonl",
    "the mark": lambda case: case.output / ".iota2",
    "the output": lambda case: case.output,
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_path_without_read_permission_is_named(what: str, shared: Case, iota2: Commands) -> None:
    path = UNREADABLE[what](shared)
    with allowed(path, 0):
        assert_refused(
            iota2("check", shared.configured(), bound=True), str(path), "Permission denied", "permissions of"
        )


FOLDERS = ("a product", "the masks", "the tile", "the sensor", "the folder of vectors", "the mark", "the output")


@pytest.mark.parametrize("what", FOLDERS)
def test_a_folder_without_search_permission_is_named(what: str, shared: Case, iota2: Commands) -> None:
    path = UNREADABLE[what](shared)
    with allowed(path, 0o444):
        assert_refused(iota2("check", shared.configured(), bound=True), str(path), "permissions")


@pytest.mark.parametrize("command", ["check", "plan", "run", "status", "verify"])
@pytest.mark.parametrize("folder", ["", ".iota2"])
def test_no_command_ends_in_a_traceback_on_an_output_folder_without_permissions(
    command: str, folder: str, shared: Case, iota2: Commands
) -> None:
    for mode in (0, 0o444, 0o555):
        with allowed(shared.output / folder, mode):
            outcome = iota2(command, shared.configured(), bound=True)
        if mode != 0o555 or command == "run":
            assert_refused(outcome, str(shared.output), "ermission")
        assert outcome.code in (0, 1)
        assert "Traceback" not in outcome.output


def test_an_output_folder_below_a_read_only_folder_is_refused(shared: Case, iota2: Commands, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o555)
    config = shared.configured(chain={"output_path": str(parent / "results")})
    assert_refused(iota2("check", config, bound=True), str(parent), "Correct its permissions")
    parent.chmod(0o444)
    assert_refused(iota2("check", config, bound=True), str(parent), "permissions")


def test_other_files_of_the_user_without_read_permission_are_named(
    shared: Case, iota2: Commands, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_text("", encoding="utf-8")
    path.chmod(0)
    selection = {"sampler": "random", "strategy": "byclass", "strategy.byclass.in": str(path)}
    byclass = shared.configured(arg_train={"sample_selection": selection})
    assert_refused(iota2("check", byclass, bound=True), str(path), "Permission denied")
    config = shared.configured()
    assert_refused(iota2("run", config, "--resources", path, "--workers", 0, bound=True), str(path), "not readable")
    assert_refused(iota2("sensors", path, bound=True), str(path))
    with allowed(config, 0):
        assert_refused(iota2("check", config, bound=True), str(config), "not readable")


def test_a_job_without_write_permission_fails_with_path_and_remedy(shared: Case, iota2: Commands) -> None:
    config = shared.configured()
    with allowed(shared.output / "final/TMP", 0o555):
        outcome = iota2("run", config, "--workers", 0, "--force", "confusionsMerge", bound=True)
    assert outcome.code in (1, 2)
    assert "final/TMP" in outcome.err
    assert "permissions" in outcome.err
    assert "Traceback" not in outcome.output
    assert iota2("run", config, "--workers", 0).code == 0


def test_a_low_limit_of_open_files_is_reported(shared: Case, iota2: Commands) -> None:
    for count in (8, 10, 12, 14):
        outcome = iota2("check", shared.configured(), files=count)
        assert outcome.code in (0, 1)
        assert "Traceback" not in outcome.output
        if outcome.code:
            assert "ulimit -n" in outcome.err


# --------------------------------------------------------------------------------------- irregular files


FILES = {what: of for what, of in UNREADABLE.items() if what not in (*FOLDERS, "the records")} | {
    "the index": lambda case: case.files.ground_truth.with_suffix(".shx"),
    "the code page": lambda case: case.files.ground_truth.with_suffix(".cpg"),
}


@pytest.mark.parametrize("kind", ["pipe", "endless device", "folder", "broken link"])
def test_an_irregular_input_file_is_rejected_immediately(kind: str, shared: Case, iota2: Commands) -> None:
    config = shared.configured()
    for what, of in FILES.items():
        path = of(shared)
        with changed(path, lambda place: put(kind, place)):
            outcome = iota2("check", config, seconds=MAX_SECONDS)
        assert_refused(outcome, path.name)
        assert "no field" not in outcome.err, what
        assert "system is not set" not in outcome.err, what


@pytest.mark.parametrize("kind", SPECIAL_FILES)
def test_an_irregular_configuration_or_resources_file_is_rejected(
    kind: str, shared: Case, iota2: Commands, tmp_path: Path
) -> None:
    path = put(kind, tmp_path / "file.cfg")
    config = shared.configured()
    for words in (("check", path), ("run", config, "--workers", 0, "--resources", path), ("sensors", path)):
        assert_refused(iota2(*words, seconds=MAX_SECONDS), path.name)


def test_circular_links_in_place_of_folders_are_named(shared: Case, iota2: Commands) -> None:
    config = shared.configured()
    for path in (shared.files.s2_path, shared.files.s2_path / WEST, shared.files.ground_truth.parent, shared.output):
        with changed(path, lambda place: put("link to itself", place)):
            assert_refused(iota2("check", config), path.name)


@pytest.mark.parametrize("kind", ["pipe", "link to itself", "broken link", "terminal"])
def test_check_and_run_reject_an_output_path_that_is_not_a_folder(kind: str, shared: Case, iota2: Commands) -> None:
    config = shared.configured()
    for path in (shared.output, shared.output / ".iota2"):
        with changed(path, lambda place: put(kind, place)):
            for words in (("check", config), ("run", config, "--workers", 0)):
                assert_refused(iota2(*words), str(path), "expected a folder")
            for command in ("status", "verify"):
                assert iota2(command, config).code in (0, 1)


def test_a_too_large_text_file_is_rejected_before_it_is_read(shared: Case, iota2: Commands) -> None:
    def sparse(path: Path) -> None:
        with open(path, "wb") as file:
            file.truncate(10 << 30)

    config = shared.configured()
    for path in (shared.files.nomenclature, shared.files.colors, config):
        with changed(path, sparse):
            outcome = iota2("check", config)
        assert_refused(outcome, path.name, "10,737,418,240 bytes")
        assert outcome.peak < 500 << 20
