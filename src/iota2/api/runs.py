"""A whole run, from Python."""

from __future__ import annotations

from pathlib import Path

from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.run import runner
from iota2.run.options import Options


def run_chain(config: str | Path | Config, *, workers: int = 0) -> Path:
    """Make the outputs of a configuration that are missing or outdated; the output folder.

    Nothing is printed. Jobs run in ``workers`` processes, by default in this one. JobsFailed when jobs failed;
    UserError for problems of the configuration or of its inputs, before anything runs.
    """
    loaded = config if isinstance(config, Config) else load_config(config)
    runner.run(loaded, Options(workers=workers), runner.Watcher())
    return loaded.chain.output_path
