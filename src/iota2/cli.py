"""The commands ``iota2`` and ``Iota2.py``; the second has the options of the legacy program."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import resource
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from iota2 import __version__, layout
from iota2.chains import BUILDERS
from iota2.chains.load import read_config
from iota2.chains.lookup import DEFAULT_BUILDERS
from iota2.chains.user_builders import builder_folders, position_of
from iota2.config.options.fields import expanded_path
from iota2.config.options.schema import Config
from iota2.config.syntax.yaml_reader import written_in_yaml
from iota2.config.template import minimal_config
from iota2.core.builder import Chain
from iota2.core.graph import Resources
from iota2.core.words import counted, did_you_mean, json_text, printable, some
from iota2.errors import (
    EXIT_DEFECT,
    EXIT_INTERRUPTED,
    EXIT_USER,
    Iota2Error,
    JobsFailed,
    OutputError,
    UserError,
    exit_code_of,
    message_of,
    remedy_of,
)
from iota2.io.archive.recognition import recognize
from iota2.io.archive.s1tiling import NO_ORTHORECTIFICATION
from iota2.io.archive.specs import builtin_specs
from iota2.io.files.addresses import without_secrets
from iota2.runs import runner
from iota2.runs.options import (
    MAX_WORKERS,
    SCHEDULERS,
    EngineName,
    Options,
    paths_from_arguments,
    resume_command,
)
from iota2.runs.preview import RunPreview, preview_first_run, preview_run, report_forecast
from iota2.runs.progress.state_notes import state_notes
from iota2.runs.progress.status import job_states
from iota2.runs.progress.support_archive import write_archive
from iota2.runs.records.output import location_notes, results_elsewhere
from iota2.runs.survey.survey import input_problems
from iota2.runs.verify import verify as verify_outputs
from iota2.runs.workers.clusters import DEFAULT_CLUSTER_WORKERS
from iota2.runs.workers.engine import resource_notes
from iota2.runs.workers.job import PrintableFormatter
from iota2.runs.workers.signals import end_on_sigterm
from iota2.terminal.console import Console, JsonLines, for_terminal, totals_text
from iota2.terminal.recognized import recognized_json, recognized_text
from iota2.terminal.sensors import sensor_text, sensors_json, sensors_text, spec_named

app = typer.Typer(
    help="Land-cover maps of large areas from satellite image time series.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

DEMO_PIXELS, MIN_DEMO_PIXELS = 480, 160
"""Width and height of a tile of the demo: default and minimum; smaller tiles cannot contain all classes."""
MAX_DEMO_PIXELS = 20_000
MIN_OPEN_FILES = 64
"""Limit of open files below which an error may be due to this limit."""
MAX_MEMORY_MIB = 16 << 20
"""Maximum memory of a job: 16 TiB."""
PARSER_EXIT = 2
"""Exit code of the command parser for an error on the command line; that of iota2 is 1."""

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file (.cfg or .yaml).")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=0,
        max=MAX_WORKERS,
        help="Worker processes; 0 runs all jobs in this process. "
        f"Default: one per core; {DEFAULT_CLUSTER_WORKERS} on a cluster.",
    ),
]
PathsFrom = Annotated[
    Path | None,
    typer.Option(
        "--paths-from",
        metavar="DIR",
        help="Folder at which relative paths of the configuration start. Default: the folder of CONFIG.",
    ),
]
_ALL_STEPS = Chain(BUILDERS)
_GROUPS = ", ".join(_ALL_STEPS.groups)
FirstStep = Annotated[
    str | None,
    typer.Option(metavar="STEP", help=f"First step to run: a group ({_GROUPS}), or the name or number of a step."),
]
LastStep = Annotated[
    str | None, typer.Option(metavar="STEP", help="Last step to run: a group, or the name or number of a step.")
]
ResourcesFile = Annotated[
    Path | None,
    typer.Option("--resources", metavar="FILE", help="File with the threads, memory and time limits of steps."),
]
Restart = Annotated[bool, typer.Option("--restart", help="Keep existing outputs even if remove_output_path is True.")]
Force = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STEP",
        help=f"Run the jobs of this step (name or number) or group ({_GROUPS}) even if they are up to date. Steps: "
        f"{', '.join(_ALL_STEPS.numbers)}.",
    ),
]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"iota2 {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command. ``main`` reads ``--debug`` from the command line."""


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="CONFIG", help="File to write: .cfg, or .yaml for YAML.")] = Path(
        "iota2.cfg"
    ),
) -> None:
    """Write a commented minimal configuration to start from."""
    if path.exists():
        raise OutputError(f"{path} already exists and is not overwritten. Give another name.")
    if not os.path.isdir(path.parent):
        raise OutputError(f"there is no folder {path.parent}. Create it, or give another path.")
    path.write_text(minimal_config(yaml=written_in_yaml(path)), encoding="utf-8")
    typer.echo(f"{path} written. Fill in the paths, then: iota2 check {path}")


@app.command()
def check(config: ConfigPath, resources: ResourcesFile = None, paths_from: PathsFrom = None) -> None:
    """Check a configuration and the headers of its inputs."""
    console = Console()
    loaded = _load(config, console, paths_from)
    options = Options(resources=resources)
    for note in resource_notes(loaded, options):
        console.say(f"note: {note}")
    _report_state(loaded, console)
    preview = _preview_of(loaded, options)
    console.summary(preview.to_run, preview.survey)
    report_forecast(loaded, options, console, preview)
    jobs = totals_text(preview.verdicts) if _has_runs(loaded) else f"{counted(len(preview.plan.jobs), 'job')} will run"
    command = shlex.join(["iota2", "run", str(config), *paths_from_arguments(loaded)])
    remaining = any(verdict.state != "fresh" for verdict in preview.verdicts.values())
    console.say(f"Configuration is valid: {jobs}." + (f" Next: {command}" if remaining else " Nothing remains to do."))


def _has_runs(config: Config) -> bool:
    """Whether the output folder contains earlier runs."""
    return os.path.isdir(config.chain.output_path / layout.MARK)


def _preview_of(config: Config, options: Options) -> RunPreview:
    """The preview of a run; records are read only if there were earlier runs."""
    return (preview_run if _has_runs(config) else preview_first_run)(config, options)


@app.command()
def run(  # noqa: PLR0917 - typer reads options from the signature
    config: ConfigPath,
    first_step: FirstStep = None,
    last_step: LastStep = None,
    workers: Workers = None,
    memory: Annotated[
        int | None,
        typer.Option(
            "--memory",
            metavar="MIB",
            min=1,
            max=MAX_MEMORY_MIB,
            help="Memory of a job for the arrays of a block, in MiB.",
        ),
    ] = None,
    engine: Annotated[
        EngineName | None,
        typer.Option(
            "--engine",
            help="Place of the workers: this process (debug), this machine (local, the default), or cluster jobs.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Address of an existing Dask scheduler to use.")
    ] = None,
    resources: ResourcesFile = None,
    restart: Restart = False,
    force: Force = None,
    paths_from: PathsFrom = None,
    json: Annotated[bool, typer.Option("--json", help="Print events as JSON, one object per line.")] = False,
) -> None:
    """Run a configuration; results that are up to date are kept."""
    if scheduler is not None and (engine is not None or workers is not None):
        raise UserError("--scheduler uses existing workers: remove --engine and --workers.")
    _require_workers(f"--engine {engine}", engine, "--workers", workers)
    options = Options(
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
    _run(config, options, JsonLines() if json else Console(), paths_from=paths_from)


def _require_workers(asked: str, engine: EngineName | None, option: str, workers: int | None) -> None:
    if workers == 0 and engine in ("slurm", "pbs"):
        raise UserError(f"{asked} needs workers: remove {option} 0, or give a number.")


def _preview(  # noqa: PLR0917 - options shared by two commands
    config: Path,
    first_step: str | None,
    last_step: str | None,
    restart: bool,
    force: Sequence[str] | None,
    paths_from: Path | None,
) -> tuple[Console, RunPreview]:
    """The console, and the preview of a run with these options."""
    console = Console()
    options = Options(first_step=first_step, last_step=last_step, restart=restart, force=tuple(force or ()))
    loaded = _load(config, console, paths_from)
    _report_state(loaded, console)
    return console, preview_run(loaded, options)


@app.command()
def plan(  # noqa: PLR0917 - typer reads options from the signature
    config: ConfigPath,
    first_step: FirstStep = None,
    last_step: LastStep = None,
    restart: Restart = False,
    force: Force = None,
    paths_from: PathsFrom = None,
) -> None:
    """Show the jobs that a run would execute, and the reasons."""
    console, preview = _preview(config, first_step, last_step, restart, force, paths_from)
    for note in preview.notes:
        console.say(f"note: {note}")
    for remark in preview.survey.remarks:
        if remark.kind in ("extent", "resampling", "outside"):
            console.say(remark.line)
    console.preview(preview.plan, preview.verdicts, len(preview.removed or ()))


@app.command()
def why(  # noqa: PLR0917 - typer reads options from the signature
    config: ConfigPath,
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="Name of a job, or a part of it. Default: the jobs as in plan.")
    ] = None,
    first_step: FirstStep = None,
    last_step: LastStep = None,
    restart: Restart = False,
    force: Force = None,
    paths_from: PathsFrom = None,
) -> None:
    """Show why a job would run, with its inputs and outputs."""
    console, preview = _preview(config, first_step, last_step, restart, force, paths_from)
    words = [] if paths_from is None else ["--paths-from", str(paths_from)]
    if job is None:
        console.preview(preview.plan, preview.verdicts, len(preview.removed or ()))
        to_run = [one for one in preview.plan.jobs if preview.verdicts[one.id].state != "fresh"]
        example = (to_run or preview.plan.jobs)[0]
        command = shlex.join(["iota2", "why", str(config), example.id, *words])
        console.say(f"All reasons for a job, with its inputs and outputs: {command}")
        return
    found = [candidate for candidate in preview.plan.jobs if job in candidate.id]
    if not found:
        command = shlex.join(["iota2", "plan", str(config), *words])
        steps = dict.fromkeys(candidate.step.name for candidate in preview.plan.jobs)
        raise UserError(
            f"No job name contains {job!r}{did_you_mean(job, steps) or '.'} "
            f"Names of jobs begin with the name of their step: {', '.join(steps)}. List the steps with: {command}"
        )
    last = job_states(preview.plan.root)
    for candidate in found:
        verdict, reasons = preview.verdicts[candidate.id], preview.reasons(candidate)
        console.reasons(candidate, verdict, reasons, last.get(candidate.id))


@app.command()
def status(
    config: ConfigPath,
    archive: Annotated[
        bool, typer.Option("--zip", help="Write logs.zip for a support request: logs, states, configuration, versions.")
    ] = False,
    paths_from: PathsFrom = None,
) -> None:
    """Show the progress of a run, or how it ended."""
    console = Console()
    loaded = _load(config, console, paths_from, check_inputs=False)
    root = loaded.chain.output_path
    _report_state(loaded, console)
    console.status(root)
    if archive:
        if not (root / layout.MARK).is_dir():
            raise UserError(f"{root}: there was no run in this folder, so there is nothing to archive.")
        console.say(f"for a support request: {write_archive(root, loaded.source)}")


@app.command()
def verify(
    config: ConfigPath,
    deep: Annotated[bool, typer.Option("--deep", help="Compare all bytes, not only size and time.")] = False,
    paths_from: PathsFrom = None,
) -> None:
    """Check that outputs are unchanged."""
    console = Console()
    loaded = _load(config, console, paths_from, check_inputs=False)
    _report_state(loaded, console)
    found = verify_outputs(loaded, deep=deep)
    if found.unneeded:
        count, were = counted(len(found.unneeded), "output"), "was" if len(found.unneeded) == 1 else "were"
        console.say(
            f"{_listed(found.unneeded)}\n{count} of earlier settings {were} changed or deleted. No run needs such "
            "outputs, so they are no longer checked."
        )
    if found.damaged:
        again = "The next run makes them again."
        if found.undetected:
            again = (
                f"The next run does not detect these, whose size and time are unchanged:\n{_listed(found.undetected)}\n"
                f"The records could not be changed: {found.obstacle}\nFix this and verify again, or delete the files."
            )
        were = "was" if len(found.damaged) == 1 else "were"
        raise UserError(
            f"{counted(len(found.damaged), 'output')} {were} changed or deleted:\n{_listed(found.damaged)}\n{again}"
        )
    console.say("All recorded outputs are unchanged.")


def _listed(names: Iterable[str]) -> str:
    return "\n".join(f"  {name}" for name in names)


@app.command()
def sensors(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Sensor: its section, class name or key of chain, or the path of a description (YAML)."
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Folder of the sensor's images, or of one tile.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text, with every product.")] = False,
) -> None:
    """List the sensors, or the products recognised in a folder."""
    console = Console()
    if name is None:
        console.say(_json(sensors_json(builtin_specs().values())) if as_json else sensors_text())
    elif folder is None:
        spec = spec_named(name)
        console.say(_json(sensors_json([spec])) if as_json else sensor_text(spec))
    else:
        found = recognize(spec_named(name), folder)
        console.say(_json(recognized_json(found)) if as_json else recognized_text(found, os.path.abspath(name)))
        if not found.usable:
            raise UserError(f"{folder} cannot be used yet; fix the problems above.")


def _json(content: object) -> str:
    return json_text(content, indent=1)


@app.command(name="s1-ortho", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def s1_ortho() -> None:
    """Not supported; explains how to prepare raw Sentinel-1."""
    raise UserError(NO_ORTHORECTIFICATION)


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder for the synthetic archive and its results.")
    ] = Path("demo"),
    size: Annotated[
        int,
        typer.Option(
            metavar="N", min=MIN_DEMO_PIXELS, max=MAX_DEMO_PIXELS, help="Width and height of a tile in pixels."
        ),
    ] = DEMO_PIXELS,
    all_sensors: Annotated[
        bool,
        typer.Option("--all-sensors", help="Add Landsat 8, Sentinel-1 and layers without dates to Sentinel-2."),
    ] = False,
    builder: Annotated[
        str,
        typer.Option(
            "--builder",
            metavar="NAME",
            help="Builder whose configuration is written and run: "
            f"{', '.join(known.name for known in BUILDERS)}. The prefix I2 may be omitted. "
            "parcels: I2Obia with the parcels of a farm register as segments.",
        ),
    ] = DEFAULT_BUILDERS[0].name,
    workers: Workers = None,
) -> None:
    """Create a small synthetic archive of Sentinel-2 and map it."""
    console = Console()
    # Only the demo needs synthetic data, and the parts of scipy for it take a while to import.
    from iota2.testing.configurations import demo_of  # noqa: PLC0415
    from iota2.testing.demo import require_demo_folder, write_demo  # noqa: PLC0415
    from iota2.testing.files import SENSOR_PATHS  # noqa: PLC0415
    from iota2.testing.world import WorldOptions, make_world  # noqa: PLC0415

    chosen = demo_of(builder)
    require_demo_folder(folder)
    console.say(f"Writing a synthetic archive into {folder} …")
    sensors = tuple(SENSOR_PATHS) if all_sensors else WorldOptions.sensors
    world = make_world(WorldOptions(size=size - size % 6, overlap=size // 6 * 2, sensors=sensors))
    files, kept = write_demo(world, folder, chosen)
    if kept:
        console.say(
            f"note: {folder} contains files that differ from those of the demo: {some(kept)}. They are kept and used; "
            "rename or delete them to get those of the demo."
        )
    _run(files.config, Options(workers=workers), console)


def _load(
    path: Path, console: Console | JsonLines, paths_from: Path | None = None, *, check_inputs: bool = True
) -> Config:
    """The configuration, after printing its warnings.

    ConfigError for an invalid configuration; with ``check_inputs``, it includes problems of the inputs, as far as they
    can be checked.
    """
    reading = read_config(path, paths_from=None if paths_from is None else _base_folder(paths_from))
    if reading.config is None:
        usable = reading.usable if check_inputs else None
        raise reading.error(input_problems(usable, reading.broken) if usable else ())
    for warning in (*reading.config.warnings, *results_elsewhere(reading.config)):
        console.say(f"warning: {warning}")
    for note in location_notes(reading.config):
        console.say(f"note: {note}")
    return reading.config


def _base_folder(given: Path) -> Path:
    """The folder of ``--paths-from`` as an absolute path without links, the same for every spelling."""
    try:
        folder = expanded_path(given)
    except ValueError as err:
        raise UserError(f"--paths-from: {err}.") from None
    if not folder.is_dir():
        raise UserError(f"--paths-from: there is no folder {given}. Give the base folder of relative paths.")
    return folder.resolve()


def _report_state(config: Config, console: Console) -> None:
    """Report damaged state files of earlier runs."""
    for note in state_notes(config.chain.output_path):
        console.say(note)


def _run(
    path: Path,
    options: Options,
    console: Console | JsonLines,
    *,
    only_summary: bool = False,
    paths_from: Path | None = None,
) -> None:
    try:
        _run_watched(path, options, console, only_summary=only_summary, paths_from=paths_from)
    except Exception as error:
        console.failed(error)
        raise
    finally:
        console.close()


def _run_watched(
    path: Path, options: Options, console: Console | JsonLines, *, only_summary: bool, paths_from: Path | None
) -> None:
    config = _load(path, console, paths_from)
    if only_summary:
        for note in resource_notes(config, options):
            console.say(f"note: {note}")
        preview = _preview_of(config, options)
        for note in preview.notes:
            console.say(f"note: {note}")
        console.summary(preview.to_run, preview.survey)
        return
    try:
        runner.run(config, options, console)
    except JobsFailed:
        _write_support_archive(config, console)
        raise
    except KeyboardInterrupt:
        console.say(f"Resume with: {resume_command(config, options)}")
        raise
    console.finished(runner.products(config), config.chain.output_path)


def _write_support_archive(config: Config, console: Console | JsonLines) -> None:
    """Write the archive for a support request; an error gives a note, so that it does not hide the failed jobs."""
    try:
        console.say(f"for a support request: {write_archive(config.chain.output_path, config.source)}")
    except OSError as err:
        target = config.chain.output_path / layout.LOGS_ZIP.path
        console.say(f"note: {target} could not be written: {err.strerror}. {remedy_of(err)}.")


class _Parser(argparse.ArgumentParser):
    """A parser that raises UserError."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}\n{self.format_usage()}")


def _scheduler(written: str) -> str:
    """The scheduler type with this name in any letter case; the name itself if there is none."""
    return next((name for name in SCHEDULERS if name.lower() == written.lower()), written)


def legacy(arguments: Sequence[str]) -> None:
    """``Iota2.py``: the options of the legacy program, with the same meaning."""
    parser = _Parser("Iota2.py", description="Run the chain of a configuration.")
    parser.add_argument("-config", required=True, type=Path, help="configuration file")
    parser.add_argument(
        "-scheduler_type",
        type=_scheduler,
        choices=SCHEDULERS,
        default="localCluster",
        help="place of the workers: this process (debug), this machine (the default), or cluster jobs",
    )
    parser.add_argument(
        "-nb_parallel_tasks",
        type=_count,
        default=None,
        metavar="N",
        help="number of worker processes; 0 runs all jobs in this process",
    )
    parser.add_argument("-starting_step", metavar="STEP", help="first step to run: number, name, or a group")
    parser.add_argument(
        "-ending_step", metavar="STEP", help="last step to run: number, name, or a group; -1 is the last step"
    )
    parser.add_argument("-restart", action="store_true", help="keep the outputs of an earlier run")
    parser.add_argument(
        "-restart_from",
        type=Path,
        metavar="STATUS",
        help="like -restart; STATUS, the status file of that run, must exist",
    )
    parser.add_argument(
        "-paths_from", type=Path, metavar="DIR", help="folder at which relative paths of the configuration start"
    )
    parser.add_argument(
        "-config_ressources", type=Path, metavar="FILE", help="file with the threads, memory and time limits of steps"
    )
    parser.add_argument(
        "-execution_graph_files", nargs="+", metavar="SVG", help="no effect: the run report shows the graph of the jobs"
    )
    parser.add_argument("-only_summary", action="store_true", help="print the steps and stop")
    given = parser.parse_args(arguments)
    legacy_last_step = None if given.ending_step == "-1" else given.ending_step
    restart = given.restart or given.restart_from is not None
    engine = SCHEDULERS[given.scheduler_type]
    _require_workers(f"-scheduler_type {given.scheduler_type}", engine, "-nb_parallel_tasks", given.nb_parallel_tasks)
    if given.restart_from is not None and not given.restart_from.is_file():
        raise UserError(
            f"-restart_from: there is no file {given.restart_from}. Give {layout.STATUS.path} in the output folder of "
            "the run to resume, or -restart."
        )
    options = Options(
        legacy_first_step=given.starting_step,
        legacy_last_step=legacy_last_step,
        engine=engine,
        resources=given.config_ressources,
        workers=given.nb_parallel_tasks,
        restart=restart,
    )
    console = Console()
    if given.execution_graph_files:
        console.say(f"note: -execution_graph_files has no effect; the graph of the jobs is in {layout.SITE_JOBS.path}")
    _run(given.config, options, console, only_summary=given.only_summary, paths_from=given.paths_from)


def _count(text: str) -> int:
    """A number of workers."""
    if not (text.isdecimal() and len(text) <= len(str(MAX_WORKERS)) and int(text) <= MAX_WORKERS):
        raise argparse.ArgumentTypeError(f"expected a whole number ≥ 0 and ≤ {MAX_WORKERS}, got {text[:40]}")
    return int(text)


def _exit_code(code: int) -> int:
    """Exit code of iota2 for an exit code of the command parser; an interrupt is reported."""
    if code == EXIT_INTERRUPTED:
        print("Interrupted; no file is incomplete, and completed jobs are kept.", file=sys.stderr)
    return EXIT_USER if code == PARSER_EXIT else code


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def guarded(action: Callable[[], object], *, debug: bool) -> int:
    """Run ``action`` and convert its exception to a message on standard error and an exit code."""
    _log_to_stderr()
    try:
        end_on_sigterm()
        action()
        sys.stdout.flush()
    except SystemExit as stopped:  # from the parser of commands, which turns some exceptions into exit codes
        return _exit_code(stopped.code if isinstance(stopped.code, int) else EXIT_USER if stopped.code else 0)
    except KeyboardInterrupt:
        return _exit_code(EXIT_INTERRUPTED)
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_USER
    except Exception as err:
        code = EXIT_USER if position_of(err) else exit_code_of(err)
        if debug or code == EXIT_DEFECT:
            print(printable(traceback.format_exc()), file=sys.stderr)
        if not (isinstance(err, Iota2Error) and err.is_shown):
            width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
            print(for_terminal(f"error: {_error_text(err)}{_file_limit_hint(err)}", width), file=sys.stderr)
        return code
    return 0


def _file_limit_hint(error: Exception) -> str:
    """A hint if the system allows very few open files, which libraries report in other words; else empty."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit >= MIN_OPEN_FILES or (isinstance(error, OSError) and error.errno == errno.EMFILE):
        return ""
    return f"\nOnly {limit} files may be open at a time. Raise the limit (ulimit -n), then run again."


def _error_text(error: Exception) -> str:
    """Message on the exception that ended the program."""
    if isinstance(error, OSError):
        return without_secrets(message_of(error))
    if exit_code_of(error) == EXIT_DEFECT and not isinstance(error, Iota2Error):
        if where := position_of(error):
            return where + message_of(error)
        if folders := builder_folders():
            return f"this is a bug in iota2, or of the builders in {', '.join(folders)}; see the lines above."
        return "this is a bug in iota2, not a problem of your data; please report the lines above."
    return message_of(error)


def main() -> None:
    """Entry point of ``iota2``."""
    sys.exit(guarded(app, debug="--debug" in sys.argv))


def legacy_main() -> None:
    """Entry point of ``Iota2.py``."""
    sys.exit(guarded(lambda: legacy(sys.argv[1:]), debug=False))
