"""A worker process on this machine with one thread for tasks; it ends with the run that started it.

``python -P -m iota2.runs.workers.worker ADDRESS NAME FOLDER PARENT CERTIFICATES``: the scheduler, the name of the
worker, its scratch folder, the number of the process that started it, and the folder of the run's certificates.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""
PRELOADED_MODULE = "iota2.chains"
"""Module that is imported before the first job."""


def _end_with(parent: int) -> None:
    """Let the system end this process when its parent ends, even by ``kill -9``."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


async def _serve(address: str, name: str, folder: str, certificates: str) -> None:
    # Imported here, while garbage collection is disabled.
    from iota2.runs.workers.connections import LOOPBACK, NoHttpWorker, security  # noqa: PLC0415

    async with NoHttpWorker(
        address,
        nthreads=1,
        name=name,
        local_directory=folder,
        memory_limit=0,
        host=LOOPBACK,
        protocol="tls",
        security=security(Path(certificates)),
    ) as worker:
        await worker.finished()


def main() -> None:
    """Serve until the scheduler ends the worker. Ctrl-C is handled by the process that runs the chain."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    address, name, folder, parent, certificates = sys.argv[1:]
    _end_with(int(parent))
    gc.disable()
    importlib.import_module(PRELOADED_MODULE)
    gc.freeze()
    gc.enable()
    asyncio.run(_serve(address, name, folder, certificates))


if __name__ == "__main__":
    main()
