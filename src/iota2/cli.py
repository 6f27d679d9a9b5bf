"""The two commands: ``iota2`` and, with the options of the original, ``Iota2.py``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from iota2 import __version__, layout
from iota2.config.load import load_config
from iota2.config.schema import Config
from iota2.config.template import minimal_config
from iota2.console import Console, JsonLines
from iota2.core.graph import Resources
from iota2.errors import EXIT_DEFECT, EXIT_INTERRUPTED, EXIT_USER, Iota2Error, JobsFailed, OutputError, UserError
from iota2.run import runner
from iota2.run.archive import write_archive
from iota2.run.clusters import WORKERS

app = typer.Typer(
    help="Land-cover maps of large areas from satellite image time series.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SCHEDULERS: Mapping[str, runner.EngineName] = {
    "debug": "debug",
    "localCluster": "local",
    "Slurm": "slurm",
    "PBS": "pbs",
    "cluster": "pbs",
}
"""The original's names of places to run."""
DEMO, SMALLEST_DEMO = 480, 160
"""Pixels along a tile; smaller worlds than the second have no room for all classes."""
PARSER_EXIT = 2
"""Exit code of the command parser for a mistake on the command line; ours for that is 1."""

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file (.cfg or .yaml).")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=0,
        help=f"Worker processes; 0: all in this process. Default: one per core; {WORKERS} on a cluster.",
    ),
]


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"iota2 {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_tell_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command; ``main`` looks at ``--debug`` itself."""


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="CONFIG", help="File to write.")] = Path("iota2.cfg"),
) -> None:
    """Write a commented minimal configuration to start from."""
    if path.exists():
        raise OutputError(f"{path} exists already and is left as it is. Give another name.")
    path.write_text(minimal_config(), encoding="utf-8")
    typer.echo(f"{path} written. Fill in the paths, then: iota2 check {path}")


@app.command()
def check(config: ConfigPath) -> None:
    """Check a configuration and its inputs, reading headers only."""
    console = Console()
    loaded = _load(config, console)
    found, plan = runner.check(loaded)
    console.summary(runner.chosen_steps(plan.steps, loaded, runner.Options()), found)
    console.say(f"All is well: {len(plan.jobs)} jobs would run. Next: iota2 run {config}")


@app.command()
def run(  # noqa: PLR0917 - typer reads options from the signature
    config: ConfigPath,
    first_step: Annotated[str | None, typer.Option(metavar="GROUP", help="First group of steps to run.")] = None,
    last_step: Annotated[str | None, typer.Option(metavar="GROUP", help="Last group of steps to run.")] = None,
    workers: Workers = None,
    memory: Annotated[
        int | None, typer.Option("--memory", metavar="MIB", min=8, help="Memory of a job for the arrays of a block.")
    ] = None,
    engine: Annotated[
        runner.EngineName | None, typer.Option("--engine", help="Where workers run: by default on this machine.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Use a Dask scheduler that already runs.")
    ] = None,
    resources: Annotated[
        Path | None, typer.Option("--resources", metavar="FILE", help="Threads, memory and time of steps.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Go on even if remove_output_path is True.")] = False,
    force: Annotated[list[str] | None, typer.Option(metavar="STEP", help="Run this step's jobs anyway.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Tell events as JSON, one object a line, for machines.")] = False,
) -> None:
    """Run the chain of a configuration: what is up to date stays."""
    if scheduler is not None and (engine is not None or workers is not None):
        raise UserError("--scheduler uses the workers that are there: leave --engine and --workers out.")
    if workers == 0 and engine not in (None, "debug"):
        raise UserError(f"--engine {engine} needs workers: leave --workers 0 out, or give a number.")
    options = runner.Options(
        engine=engine or "local",
        scheduler=scheduler,
        resources=resources,
        first_step=first_step,
        last_step=last_step,
        workers=workers,
        restart=restart,
        force=tuple(force or ()),
        use=Resources() if memory is None else Resources(memory=memory << 20),
    )
    _run(config, options, JsonLines() if json else Console())


@app.command()
def plan(config: ConfigPath) -> None:
    """Say what a run would do, and why; nothing is run."""
    console = Console()
    outlook = runner.look_ahead(_load(config, console), runner.Options(restart=True))
    console.outlook(outlook.plan, outlook.verdicts)


@app.command()
def why(config: ConfigPath, job: Annotated[str, typer.Argument(metavar="JOB", help="Name, or part of it.")]) -> None:
    """Say why a job would run, what it reads and what it makes."""
    console = Console()
    outlook = runner.look_ahead(_load(config, console), runner.Options(restart=True))
    found = [candidate for candidate in outlook.plan.jobs if job in candidate.id]
    if not found:
        raise UserError(f"No job's name holds {job!r}. iota2 plan {config} lists the steps.")
    for candidate in found:
        console.reasons(candidate, outlook.verdicts[candidate.id])


@app.command()
def status(
    config: ConfigPath,
    archive: Annotated[
        bool, typer.Option("--zip", help="Write logs.zip for a support request: logs, states, configuration, versions.")
    ] = False,
) -> None:
    """Say how far the run of a configuration is, or how it ended."""
    console = Console()
    loaded = _load(config, console)
    root = loaded.chain.output_path
    console.status(root)
    if archive:
        if not (root / layout.MARK).is_dir():
            raise UserError(f"{root}: no run has worked here, so there is nothing to archive.")
        console.say(f"for a support request: {write_archive(root, loaded.source)}")


@app.command()
def verify(
    config: ConfigPath,
    deep: Annotated[bool, typer.Option("--deep", help="Compare all bytes, not only size and time.")] = False,
) -> None:
    """Look whether the outputs are as they were made."""
    console = Console()
    loaded = _load(config, console)
    damaged = runner.damaged(loaded.chain.output_path, deep=deep)
    if damaged:
        listed = "\n".join(f"  {path}" for path in damaged)
        raise UserError(f"{len(damaged)} outputs are not as they were made:\n{listed}\nThe next run makes them again.")
    console.say("All recorded outputs are as they were made.")


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder for the made-up archive and its results.")
    ] = Path("demo"),
    size: Annotated[int, typer.Option(metavar="N", min=SMALLEST_DEMO, help="Pixels along a tile's side.")] = DEMO,
    workers: Workers = None,
) -> None:
    """Make up a small Sentinel-2 archive and map it."""
    console = Console()
    console.say(f"Writing a made-up archive into {folder} …")
    # Only the demo makes a world up, and scipy's parts for it take a while to import.
    from iota2.testing.world import WorldOptions, make_world, write_world  # noqa: PLC0415

    files = write_world(make_world(WorldOptions(size=size - size % 6, overlap=size // 6 * 2)), folder)
    _run(files.config, runner.Options(workers=workers), console)


def _load(path: Path, console: Console | JsonLines) -> Config:
    """The configuration, its warnings told."""
    config = load_config(path)
    for warning in config.warnings:
        console.say(f"warning: {warning}")
    return config


def _run(path: Path, options: runner.Options, console: Console | JsonLines, *, only_summary: bool = False) -> None:
    try:
        _run_watched(path, options, console, only_summary=only_summary)
    except Exception as error:
        console.failed(error)
        raise
    finally:
        console.close()


def _run_watched(path: Path, options: runner.Options, console: Console | JsonLines, *, only_summary: bool) -> None:
    config = _load(path, console)
    if only_summary:
        found, plan = runner.check(config)
        console.summary(runner.chosen_steps(plan.steps, config, options), found)
        return
    try:
        runner.run(config, options, console)
    except JobsFailed:
        console.say(f"for a support request: {write_archive(config.chain.output_path, config.source)}")
        raise
    console.finished(runner.products(config), config.chain.output_path)


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are a user's mistake like any other."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}\n{self.format_usage()}")


def legacy(arguments: Sequence[str]) -> None:
    """``Iota2.py``: the options of the original, with the same meaning."""
    parser = _Parser("Iota2.py", description="Run the chain of a configuration.")
    parser.add_argument("-config", required=True, type=Path, help="configuration file")
    parser.add_argument("-scheduler_type", choices=SCHEDULERS, default="localCluster")
    parser.add_argument("-nb_parallel_tasks", type=int, default=None, metavar="N", help="worker processes")
    parser.add_argument("-starting_step", type=int, default=None, metavar="N", help="number of the first step")
    parser.add_argument("-ending_step", type=int, default=None, metavar="N", help="number of the last step; -1: last")
    parser.add_argument("-restart", action="store_true", help="go on with what an earlier run made")
    parser.add_argument("-restart_from", type=Path, metavar="STATUS", help="the same; the status file of that run")
    parser.add_argument("-config_ressources", type=Path, metavar="FILE", help="threads, memory and time of steps")
    parser.add_argument("-only_summary", action="store_true", help="print the steps and stop")
    given = parser.parse_args(arguments)
    ending = None if given.ending_step == -1 else given.ending_step
    restart = given.restart or given.restart_from is not None
    options = runner.Options(
        starting=given.starting_step,
        ending=ending,
        engine=SCHEDULERS[given.scheduler_type],
        resources=given.config_ressources,
        workers=given.nb_parallel_tasks,
        restart=restart,
    )
    _run(given.config, options, Console(), only_summary=given.only_summary)


def _told(code: int) -> int:
    """Our exit code for one of the parser; an interrupt is told."""
    if code == EXIT_INTERRUPTED:
        print("Interrupted; nothing is half written, and what is done stays.", file=sys.stderr)
    return EXIT_USER if code == PARSER_EXIT else code


def _interrupted(number: int, frame: object) -> NoReturn:
    """A request to end is like Ctrl-C: workers are stopped, nothing is left half written."""
    raise KeyboardInterrupt


def guarded(action: Callable[[], object], *, debug: bool) -> int:
    """Run ``action`` and turn what it raises into a message on standard error and an exit code."""
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.WARNING)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        action()
    except SystemExit as stopped:  # from the parser of commands, which turns some exceptions into exit codes
        return _told(int(stopped.code or 0))
    except KeyboardInterrupt:
        return _told(EXIT_INTERRUPTED)
    except Iota2Error as err:
        if debug:
            traceback.print_exc()
        print(f"error: {err}", file=sys.stderr)
        return err.exit_code
    except Exception:
        traceback.print_exc()
        print(
            "error: this is a defect of iota2, not of your data; please report the lines above.",
            file=sys.stderr,
        )
        return EXIT_DEFECT
    return 0


def main() -> None:
    """Entry point of ``iota2``."""
    sys.exit(guarded(app, debug="--debug" in sys.argv))


def legacy_main() -> None:
    """Entry point of ``Iota2.py``."""
    sys.exit(guarded(lambda: legacy(sys.argv[1:]), debug=False))
