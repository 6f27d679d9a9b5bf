"""Content of ``logs.zip``."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from iota2 import __version__
from iota2.runs.progress.support_archive import write_archive

SECRET = "s3cr3t-of-the-environment"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output folder with logs, states, products, and links to files outside."""
    root = tmp_path / "results"
    for name, text in {
        "logs/learnModel/learning é.out": "done in 1 s",
        "logs/learnModel/learning é.err": "InputError: B.tif is damaged",
        "IOTA2_tasks_status.txt": "failed  learnModel/learning é",
        ".iota2/reasons.txt": "stale  learnModel/learning é: never made",
        "final/Classif_Seed_0.tif": "pixels",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (tmp_path / "outside.txt").write_text("private", encoding="utf-8")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/more.txt").write_text("private", encoding="utf-8")
    (root / "logs/file").symlink_to(tmp_path / "outside.txt")
    (root / "logs/folder").symlink_to(tmp_path / "outside")
    os.mkfifo(root / "logs/pipe")
    (tmp_path / "my run.cfg").write_text("chain : {}", encoding="utf-8")
    return root


def test_the_archive_contains_logs_states_reasons_configuration_and_versions(output: Path, tmp_path: Path) -> None:
    path = write_archive(output, tmp_path / "my run.cfg")
    assert path == output / "logs.zip"
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == [
            ".iota2/reasons.txt",
            "IOTA2_tasks_status.txt",
            "configuration.cfg",
            "logs/learnModel/learning é.err",
            "logs/learnModel/learning é.out",
            "versions.json",
        ]
        assert archive.read("logs/learnModel/learning é.err") == b"InputError: B.tif is damaged"
        assert archive.read("configuration.cfg") == b"chain : {}"
        message = json.loads(archive.read("versions.json"))
    assert message["iota2"] == __version__
    assert {"python", "system", "numpy", "rasterio"} <= set(message)


def test_the_archive_contains_no_environment_variables_and_no_link_targets(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", SECRET)
    with zipfile.ZipFile(write_archive(output, tmp_path / "my run.cfg")) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert not any(SECRET.encode() in content or b"private" in content for content in contents.values())
    assert not any(name.startswith("/") or ".." in name for name in contents)


def test_a_link_in_place_of_the_log_folder_is_skipped(output: Path, tmp_path: Path) -> None:
    (output / "logs").rename(tmp_path / "other")
    (output / "logs").symlink_to(tmp_path / "other")
    with zipfile.ZipFile(write_archive(output, tmp_path / "my run.cfg")) as archive:
        assert not [name for name in archive.namelist() if name.startswith("logs/")]


def test_a_second_archive_replaces_the_first(output: Path, tmp_path: Path) -> None:
    write_archive(output, tmp_path / "my run.cfg")
    (output / "logs/learnModel/learning é.err").write_text("")
    with zipfile.ZipFile(write_archive(output, tmp_path / "my run.cfg")) as archive:
        assert archive.read("logs/learnModel/learning é.err") == b""
        assert "logs.zip" not in archive.namelist()
