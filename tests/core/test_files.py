"""Reading of regular files, size limits and paths."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from iota2.core.files import (
    error_path,
    first_listing_error,
    read_bytes,
    read_text,
    require_listable,
    require_regular,
    without_dots,
)
from tests.special_files import SPECIAL_FILES, put


@pytest.mark.parametrize("kind", SPECIAL_FILES)
def test_what_is_no_regular_file_is_refused_at_once_and_named(kind: str, tmp_path: Path) -> None:
    path = put(kind, tmp_path / "here")
    for read in (require_regular, read_bytes, read_text):
        with pytest.raises(OSError, match=SPECIAL_FILES[kind]) as caught:
            read(path)
        assert caught.value.filename == str(path)


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"one\r\ntwo\r")
    (tmp_path / "link").symlink_to("text")
    assert read_text(tmp_path / "link") == "one\ntwo\n"


def test_a_file_above_the_size_limit_is_rejected_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(OSError, match=r"has 10,737,418,240 bytes; expected at most 67,108,864") as caught:
        read_text(path)
    assert caught.value.errno == errno.EFBIG
    path.write_bytes(b"12345")
    assert read_bytes(path, max_bytes=5) == b"12345"
    with pytest.raises(OSError, match="has 5 bytes"):
        read_bytes(path, max_bytes=4)


def test_folders_that_can_be_listed_cause_no_error(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    require_listable(tmp_path)
    assert first_listing_error(tmp_path) is None
    with pytest.raises(FileNotFoundError):
        require_listable(tmp_path / "absent")


def test_error_path_sets_a_missing_path_and_replaces_an_alias() -> None:
    for before in (None, "part"):
        with pytest.raises(OSError, match=r"No space left on device: 'final'"), error_path("final", "part"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), before)
    with pytest.raises(OSError, match="'other'"), error_path("final", "part"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "other")


def test_two_dots_are_resolved_like_in_the_system_and_other_links_are_kept(tmp_path: Path) -> None:
    (tmp_path / "far/away/deep").mkdir(parents=True)
    (tmp_path / "near").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far/away")
    for text, plain in {
        "near/../far": "far",
        "near/sub/../../far/./x": "far/x",
        "link/../y": "far/y",
        "link/deep/../y": "link/y",
        "link/y": "link/y",
    }.items():
        assert without_dots(tmp_path / text) == tmp_path / plain
    assert without_dots(Path("/../../a")) == Path("/a")
    assert without_dots(Path("../../a/b/../c")) == Path("../../a/c")
    for text in ("near/../far/away/deep", "link/../away/deep", "link/deep/../deep"):
        assert without_dots(tmp_path / text).samefile(tmp_path / text)
