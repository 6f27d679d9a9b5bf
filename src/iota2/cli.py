"""The two commands: ``iota2`` and, with the options of the original, ``Iota2.py``."""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from iota2 import __version__
from iota2.config.load import load_config
from iota2.config.schema import Config
from iota2.config.template import minimal_config
from iota2.console import Console
from iota2.errors import EXIT_DEFECT, EXIT_INTERRUPTED, EXIT_USER, Iota2Error, OutputError, UserError
from iota2.run import runner
from iota2.testing.world import WorldOptions, make_world, write_world

app = typer.Typer(
    help="Land-cover maps of large areas from satellite image time series.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

PARSER_EXIT = 2
"""Exit code of the command parser for a mistake on the command line; ours for that is 1."""

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file (.cfg or .yaml).")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=0, help="Worker processes; 0: all in this process. Default: one per core."
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
def run(
    config: ConfigPath,
    first_step: Annotated[str | None, typer.Option(metavar="GROUP", help="First group of steps to run.")] = None,
    last_step: Annotated[str | None, typer.Option(metavar="GROUP", help="Last group of steps to run.")] = None,
    workers: Workers = None,
) -> None:
    """Run the chain of a configuration."""
    _run(config, runner.Options(first_step=first_step, last_step=last_step, workers=workers))


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder for the made-up archive and its results.")
    ] = Path("demo"),
    size: Annotated[int, typer.Option(metavar="N", help="Pixels along a tile's side.")] = WorldOptions().size,
    workers: Workers = None,
) -> None:
    """Make up a small Sentinel-2 archive and map it."""
    console = Console()
    console.say(f"Writing a made-up archive into {folder} …")
    files = write_world(make_world(WorldOptions(size=size)), folder)
    _run(files.config, runner.Options(workers=workers))


def _load(path: Path, console: Console) -> Config:
    """The configuration, its warnings told."""
    config = load_config(path)
    for warning in config.warnings:
        console.say(f"warning: {warning}")
    return config


def _run(path: Path, options: runner.Options, *, only_summary: bool = False) -> None:
    console = Console()
    config = _load(path, console)
    if only_summary:
        found, plan = runner.check(config)
        console.summary(runner.chosen_steps(plan.steps, config, options), found)
        return
    try:
        runner.run(config, options, console)
    finally:
        console.close()
    products = runner.products(config)
    console.say(f"\nDone. {'Products:' if products else f'Results so far: {config.chain.output_path}'}")
    for product, about in products:
        console.say(f"  {product}\n      {about}")


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are a user's mistake like any other."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}\n{self.format_usage()}")


def legacy(arguments: Sequence[str]) -> None:
    """``Iota2.py``: the options of the original, with the same meaning."""
    parser = _Parser("Iota2.py", description="Run the chain of a configuration.")
    parser.add_argument("-config", required=True, type=Path, help="configuration file")
    parser.add_argument("-scheduler_type", choices=["debug", "localCluster"], default="localCluster")
    parser.add_argument("-nb_parallel_tasks", type=int, default=None, metavar="N", help="worker processes")
    parser.add_argument("-starting_step", type=int, default=None, metavar="N", help="number of the first step")
    parser.add_argument("-ending_step", type=int, default=None, metavar="N", help="number of the last step; -1: last")
    parser.add_argument("-only_summary", action="store_true", help="print the steps and stop")
    given = parser.parse_args(arguments)
    ending = None if given.ending_step == -1 else given.ending_step
    workers = 0 if given.scheduler_type == "debug" else given.nb_parallel_tasks
    options = runner.Options(starting=given.starting_step, ending=ending, workers=workers)
    _run(given.config, options, only_summary=given.only_summary)


def guarded(action: Callable[[], object], *, debug: bool) -> int:
    """Run ``action`` and turn what it raises into a message on standard error and an exit code."""
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.WARNING)
    try:
        action()
    except SystemExit as stopped:  # from the parser of commands: 2 when it could not understand them
        return EXIT_USER if stopped.code == PARSER_EXIT else int(stopped.code or 0)
    except KeyboardInterrupt:
        print("Interrupted; nothing is half written. The same command starts again.", file=sys.stderr)
        return EXIT_INTERRUPTED
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
