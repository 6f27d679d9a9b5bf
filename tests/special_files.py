"""Special files (pipes, sockets, devices, folders, broken links) in the place of regular files."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

SPECIAL_FILES = {
    "pipe": r"is a named pipe \(FIFO\)",
    "link to a pipe": r"is a named pipe \(FIFO\)",
    "socket": "is a socket",
    "endless device": "is a device",
    "terminal": "is a device",
    "folder": "is a folder",
    "broken link": "is a broken symbolic link",
    "link to itself": "Too many levels of symbolic links",
}
"""Kinds of special files, with a pattern of the message on each."""


def put(kind: str, path: Path) -> Path:
    """Replace ``path`` by a special file of that kind; returns ``path``."""
    remove(path)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "link to a pipe":
            pipe = path.with_name(".a pipe")
            remove(pipe)
            os.mkfifo(pipe)
            path.symlink_to(pipe)
        case "socket":
            _bind(path)
        case "endless device":
            path.symlink_to("/dev/zero")
        case "terminal":
            path.symlink_to("/dev/tty")
        case "folder":
            path.mkdir()
        case "broken link":
            path.symlink_to("/nowhere/at all")
        case "link to itself":
            path.symlink_to(path.name)
    return path


def remove(path: Path) -> None:
    """Remove a file, link or folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _bind(path: Path) -> None:
    """Create a socket. Paths of sockets are limited in length, so the path of the open file descriptor is used."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
