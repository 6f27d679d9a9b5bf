"""Running a configuration from Python."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.core.arguments import require_kind
from iota2.errors import UserError
from iota2.runs import runner
from iota2.runs.options import MAX_WORKERS, Options

_RUNNING = threading.Lock()
"""Held during a run."""


def run(config: str | Path | Config, *, workers: int = 0) -> Path:
    """Make the missing or outdated outputs of a configuration; returns the output folder.

    Nothing is printed. Jobs run in ``workers`` processes, by default in the current process. JobsFailed if jobs failed;
    UserError, before the first job, for problems of the configuration or its inputs, for an invalid number of workers,
    and while another thread of the process runs a configuration.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or not 0 <= workers <= MAX_WORKERS:
        raise UserError(f"workers: expected a whole number from 0 to {MAX_WORKERS}, got {workers!r}")
    require_kind(config, (str, os.PathLike, Config), "run: config", "the path of a configuration, or one loaded")
    loaded = config if isinstance(config, Config) else load_config(config)
    if not _RUNNING.acquire(blocking=False):
        raise UserError(
            "another thread of this process runs a configuration. Wait until it ends, or use another process: a run "
            "redirects the output of its process to the logs of the jobs"
        )
    try:
        runner.run(loaded, Options(workers=workers), runner.Watcher())
    finally:
        _RUNNING.release()
    return loaded.chain.output_path
