"""The largest memory of this process since a moment, as the kernel counts it."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def reset_peak() -> None:
    """Start to count anew, where the kernel can."""
    with contextlib.suppress(OSError):
        _RESET.write_text(_RESET_PEAK)


def peak_mib() -> int:
    """Largest resident memory since ``reset_peak``, MiB; since the process began where the kernel cannot tell."""
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
