"""Cores and memory of this machine, and recognition of full disks."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory(root: Path = _CGROUP) -> int:
    """Available memory in bytes, of this machine or of the control group of this process."""
    found = psutil.virtual_memory().available
    try:
        limit, used = ((root / name).read_text().strip() for name in ("memory.max", "memory.current"))
        statistics = dict(line.split() for line in (root / "memory.stat").read_text().splitlines())
    except OSError:
        return found
    needed = int(used) - int(statistics.get("inactive_file", 0))  # the kernel frees cached files on demand
    return found if limit == "max" else min(found, max(0, int(limit) - needed))


def disk_is_full(err: OSError) -> bool:
    """Whether an error is due to a full disk or quota."""
    return err.errno in (errno.ENOSPC, errno.EDQUOT)


FULL_DISK_MESSAGES = ("disk full", "disk is full", "No space left on device")
"""Parts of messages of the system, GDAL and SQLite about a full disk."""
