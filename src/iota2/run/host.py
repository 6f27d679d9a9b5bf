"""What this machine has: cores, memory, and whether its disk is full."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import psutil

_CONTROL = Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory(root: Path = _CONTROL) -> int:
    """Bytes that this machine, or the control group of this process, still has."""
    found = psutil.virtual_memory().available
    try:
        limit, used = ((root / name).read_text().strip() for name in ("memory.max", "memory.current"))
        told = dict(line.split() for line in (root / "memory.stat").read_text().splitlines())
    except OSError:
        return found
    held = int(used) - int(told.get("inactive_file", 0))  # files that were read are let go when memory is asked for
    return found if limit == "max" else min(found, max(0, int(limit) - held))


def disk_is_full(err: OSError) -> bool:
    """Whether an error is for want of room."""
    return err.errno in (errno.ENOSPC, errno.EDQUOT)


_FULL = ("disk full", "disk is full", "No space left on device")
"""What the system, GDAL and SQLite say."""
