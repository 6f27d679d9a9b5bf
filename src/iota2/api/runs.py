"""Running a configuration from Python."""

from __future__ import annotations

import os
from pathlib import Path

from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.core.arguments import require_kind
from iota2.run import runner
from iota2.run.options import Options


def run_chain(config: str | Path | Config, *, workers: int = 0) -> Path:
    """Make the missing or outdated outputs of a configuration; returns the output folder.

    Nothing is printed. Jobs run in ``workers`` processes, by default in the current process. JobsFailed if jobs failed;
    UserError for problems of the configuration or its inputs, before the first job.
    """
    require_kind(config, (str, os.PathLike, Config), "run_chain: config", "the path of a configuration, or one loaded")
    loaded = config if isinstance(config, Config) else load_config(config)
    runner.run(loaded, Options(workers=workers), runner.Watcher())
    return loaded.chain.output_path
