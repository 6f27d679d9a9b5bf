"""Peak memory of this process since a reset, from the kernel."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def reset_peak() -> None:
    """Reset the peak, if the kernel supports it."""
    with contextlib.suppress(OSError):
        _RESET.write_text(_RESET_PEAK)


def peak_mib() -> int:
    """Peak resident memory since ``reset_peak`` in MiB; since the start of the process without kernel support."""
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
