from __future__ import annotations

import json
import os
from contextlib import suppress

import pytest

from iota2.io.files.atomic import (
    checking_before_replacing,
    remove_leftovers,
    replacing,
    replacing_folder,
    replacing_shapefile,
    temporary_path,
    write_json,
    write_text,
)

ODD_NAMES = ["a b.tif", "été.tif", "地図.tif", 'it\'s "q".tif', "100%#;?.tif", "é" * 125 + ".tif"]


def names(folder):
    return sorted(os.listdir(folder))


class StopError(Exception):
    pass


def stop_after(context, *suffixes):
    """Write a file for each suffix inside the context, then fail."""
    with context as part:
        for suffix in suffixes:
            (part / f"a{suffix}" if part.is_dir() else part.with_suffix(suffix)).write_text("half")
        raise StopError


@pytest.mark.parametrize("name", ODD_NAMES)
def test_file_is_complete_when_it_has_its_name(tmp_path, name):
    path = tmp_path / "new folder" / name
    with replacing(path) as part:
        assert part.parent == path.parent
        assert part.suffix == ".tif"
        assert part.name.startswith(".")
        part.write_text("content")
        assert not path.exists()
    assert path.read_text() == "content"
    assert names(path.parent) == [name]


def test_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(StopError):
        stop_after(replacing(path), ".txt")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("name", ["a.tif", "é" * 125 + ".tif", "a;b"])
def test_no_two_attempts_share_a_name(tmp_path, name):
    first, second = temporary_path(tmp_path / name), temporary_path(tmp_path / name)
    assert first != second
    assert len(os.fsencode(first.name)) <= 255
    assert f"-{os.getpid()}-" in first.name


def test_a_writer_wrongly_considered_dead_does_not_change_the_file_of_the_next(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as slow:
        slow.write_text("half")
        with replacing(path) as part:
            part.write_text("whole")
        assert path.read_text() == "whole"
        slow.write_text("as whole")
    assert path.read_text() == "as whole"
    assert names(tmp_path) == ["a.txt"]


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    keep = (".a.part.tif", ".part", "a.part.tif", "a.host-1-0123abcd.part.tif", ".a.host-1-0123abc.part", ".git.old")
    keep += (".a.host-1-0123abcd.party.tif", ".a.host-x-0123abcd.part.tif")
    inside, beyond = tmp_path / "root" / "deep" / "er", tmp_path / "beyond"
    for folder in (inside, beyond):
        folder.mkdir(parents=True)
    left = [temporary_path(inside / name, word) for name in ODD_NAMES for word in ("part", "scratch", "old")]
    left += [path.with_name(path.name + ending) for path in left[:2] for ending in (".aux.xml", "-journal")]
    for path in (*left, *(inside / name for name in keep), temporary_path(beyond / "a")):
        path.write_text("half")
    temporary_path(inside / "model").mkdir()
    (temporary_path(inside / "model 2") / "sub").mkdir(parents=True)
    (tmp_path / "root" / "link").symlink_to(beyond)
    assert remove_leftovers(tmp_path / "root") == len(left) + 2
    assert names(inside) == sorted(keep)
    assert len(names(beyond)) == 1
    assert remove_leftovers(tmp_path / "root") == 0


@pytest.mark.parametrize("context", [replacing, replacing_folder, replacing_shapefile])
def test_a_writer_whose_temporary_file_was_removed_replaces_nothing(tmp_path, context):
    writing = context(tmp_path / "a.shp")
    part = writing.__enter__()
    (part / "b.npy" if part.is_dir() else part).write_text("late")
    assert remove_leftovers(tmp_path) == 1
    with pytest.raises(FileNotFoundError):
        writing.__exit__(None, None, None)
    assert names(tmp_path) == []


@pytest.mark.parametrize("context", [replacing, replacing_folder, replacing_shapefile])
def test_the_check_runs_before_a_file_is_replaced(tmp_path, context):
    def refuse():
        raise StopError

    for allowed, expected in ((refuse, []), (bool, ["a.shp"])):
        with suppress(StopError), checking_before_replacing(allowed), context(tmp_path / "a.shp") as part:
            (part / "b.npy" if part.is_dir() else part).write_text("new")
        assert names(tmp_path) == expected


def test_the_check_runs_only_inside_the_context(tmp_path):
    def refuse():
        raise StopError

    with checking_before_replacing(refuse):
        pass
    write_text(tmp_path / "a.txt", "a")
    assert names(tmp_path) == ["a.txt"]


def test_body_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.txt"):
        pass


def test_group_replaces_all_members_and_removes_stale_ones(tmp_path):
    for name in ("a.shp", "a.shx", "a.qix", "a.cpg", "a.tif", "ab.qix"):
        (tmp_path / name).write_text("old")
    with replacing_shapefile(tmp_path / "a.shp") as main:
        for suffix in (".dbf", ".shp", ".shx"):
            main.with_suffix(suffix).write_text("new")
        assert (tmp_path / "a.shp").read_text() == "old"
    assert names(tmp_path) == ["a.dbf", "a.shp", "a.shx", "a.tif", "ab.qix"]
    assert {(tmp_path / f"a{suffix}").read_text() for suffix in (".dbf", ".shp", ".shx")} == {"new"}


def test_group_with_an_error_changes_nothing(tmp_path):
    (tmp_path / "a.shp").write_text("old")
    with pytest.raises(StopError):
        stop_after(replacing_shapefile(tmp_path / "a.shp"), ".shp", ".dbf")
    assert names(tmp_path) == ["a.shp"]
    assert (tmp_path / "a.shp").read_text() == "old"


def test_main_file_is_absent_while_members_are_mixed(tmp_path, monkeypatch):
    for suffix in (".shp", ".dbf"):
        (tmp_path / f"a{suffix}").write_text("old")
    replace = os.replace

    def killed_after_the_first(source, target):
        if str(target).endswith(".shp"):
            raise StopError
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed_after_the_first)
    group = replacing_shapefile(tmp_path / "a.shp")
    main = group.__enter__()
    main.write_text("new")
    main.with_suffix(".dbf").write_text("new")
    with pytest.raises(StopError):
        group.__exit__(None, None, None)
    assert names(tmp_path) == ["a.dbf"]


def test_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "model"
    for content in ("first", "second"):
        with replacing_folder(path) as part:
            (part / "sub").mkdir()
            (part / "sub" / f"{content}.npy").write_text(content)
        assert names(path / "sub") == [f"{content}.npy"]
    with pytest.raises(StopError):
        stop_after(replacing_folder(path), ".npy")
    assert names(tmp_path) == ["model"]
    assert names(path) == ["sub"]


def test_folder_that_cannot_be_renamed_leaves_the_old_one(tmp_path, monkeypatch):
    path, replace, calls = tmp_path / "model", os.replace, []
    with replacing_folder(path) as part:
        (part / "a.npy").write_text("old")

    def full_at_the_second(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full_at_the_second)
    with pytest.raises(OSError, match="No space"), replacing_folder(path) as part:
        (part / "a.npy").write_text("new")
    assert names(tmp_path) == ["model"]
    assert (path / "a.npy").read_text() == "old"


@pytest.mark.parametrize("context", [replacing, replacing_folder, replacing_shapefile])
def test_the_new_name_is_on_the_disk(tmp_path, monkeypatch, context):
    synced, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.readlink(f"/proc/self/fd/{file}")), fsync(file)))
    with context(tmp_path / "a.shp") as part:
        (part / "b.npy" if part.is_dir() else part).write_text("new")
    assert synced[-1] == str(tmp_path)


def test_text_is_utf8_with_one_newline_at_its_end(tmp_path):
    write_text(tmp_path / "a.txt", "forêt\n\n")
    assert (tmp_path / "a.txt").read_bytes() == "forêt\n".encode()


def test_json_keeps_or_sorts_keys_and_rejects_nan(tmp_path):
    value = {"b": [1, 2.5, None], "a": "é"}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == value
    assert (tmp_path / "a.json").read_text("utf-8").index('"b"') < 5
    write_json(tmp_path / "b.json", value, sort=True)
    assert (tmp_path / "b.json").read_bytes().endswith(b"]\n}\n")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
