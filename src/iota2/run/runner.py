"""A whole run, from a configuration to products: survey, plan, execute, and what is told on the way."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from iota2 import layout
from iota2.chain import CLASSIFICATION, SURVEY
from iota2.config.options_chain import GROUPS
from iota2.config.schema import Config
from iota2.core.graph import Resources, Step
from iota2.errors import JobsFailed, UserError
from iota2.io.atomic import write_text
from iota2.io.vectors import sqlite_max_columns
from iota2.run.clusters import WORKERS, Queue, queued_workers, running_scheduler
from iota2.run.damage import known_damage, note_damage
from iota2.run.execute import Debug, Engine, Retry, execute, local_cluster
from iota2.run.forecast import available_memory, fitting_workers, foresee, full_disk_told, require_room
from iota2.run.job import WELL, JobResult
from iota2.run.ledger import Ledger, Verdict, as_it_is, assess
from iota2.run.listing import digests, survey_texts, write_survey
from iota2.run.lock import locked
from iota2.run.output import claim, prepare, require_writable
from iota2.run.plan import Plan, make_plan
from iota2.run.resources import Shares, shares_of
from iota2.run.site import Site
from iota2.run.survey import Survey, survey

LONGEST_NAME = 255
"""Bytes of a file's name that every usual file system holds."""
SHOWN_FAILURES = 10
STATUS_SECONDS = 2.0
MINE = 16
"""Columns of sample tables that are not features, at most."""


EngineName = Literal["debug", "local", "slurm", "pbs"]


@dataclass(frozen=True)
class Options:
    """How a run is asked for on the command line; None leaves the configuration's word."""

    first_step: str | None = None
    last_step: str | None = None
    starting: int | None = None
    """Number of the first step, from 1, as the summary prints them."""
    ending: int | None = None
    workers: int | None = None
    """Worker processes, here or as jobs of a cluster; 0 runs everything in this process."""
    engine: EngineName = "local"
    scheduler: str | None = None
    """Address of a Dask scheduler that already runs, and is used in place of ``engine``."""
    resources: Path | None = None
    """Resources file."""
    restart: bool = False
    """Go on with what an earlier run made, whatever ``remove_output_path`` says."""
    force: tuple[str, ...] = ()
    """Steps whose jobs run in any case."""
    use: Resources = field(default_factory=Resources)


class Watcher:
    """Is told of a run as it goes on. The base class keeps quiet."""

    def say(self, text: str) -> None:
        """Something a person should know."""

    def summary(self, steps: Sequence[tuple[Step, bool]], found: Survey) -> None:
        """Before anything runs: the active steps, with those to be run marked."""

    def started(self, plan: Plan, verdicts: Mapping[str, Verdict]) -> None:
        """The jobs are known, and which of them have to run."""

    def ended(self, result: JobResult) -> None:
        """One job came to its end."""


def region_base(config: Config) -> str:
    """Base name of the region vector: the user's file name, unless another file has it, or ``MyRegion``."""
    stem = config.chain.region_path.stem if config.chain.region_path else "MyRegion"
    return f"{stem}_region" if stem == Path(layout.REFERENCE.path).stem else stem


def constants(config: Config, found: Survey) -> dict[str, str | int]:
    """Run-wide parts of paths. Samples go to Parquet when asked for, or when SQLite cannot hold the features."""
    too_many = len(found.recipe.names) + MINE > sqlite_max_columns()
    extension = config.arg_train.learning_samples_extension
    return {
        "region_base": region_base(config),
        "cloud": config.chain.cloud_threshold,
        "samples": "parquet" if too_many else extension,
    }


def plan_run(config: Config, found: Survey) -> Plan:
    """The full plan of a configuration; UserError when a file would get a longer name than file systems hold."""
    plan = make_plan(
        CLASSIFICATION,
        found.rows(config.arg_train.runs),
        config,
        root=config.chain.output_path,
        constants=constants(config, found),
        given=SURVEY,
    )
    _require_short_names(plan)
    return plan


def _require_short_names(plan: Plan) -> None:
    names = {part for job in plan.jobs for path in job.outputs for part in path.relative_to(plan.root).parts}
    longest = max(names, key=lambda name: len(os.fsencode(name)))
    if len(os.fsencode(longest)) > LONGEST_NAME:
        raise UserError(
            f"The results would hold a file {longest!r}, whose name takes {len(os.fsencode(longest))} bytes; file "
            f"systems hold {LONGEST_NAME}. Shorten the name of the region file, of a region or of a tile."
        )


def chosen_steps(steps: Sequence[Step], config: Config, options: Options) -> list[tuple[Step, bool]]:
    """Active steps, each with whether it is to be run."""
    first = _group(options.first_step or config.chain.first_step, "first step")
    last = _group(options.last_step or config.chain.last_step, "last step")
    start = 1 if options.starting is None else options.starting
    end = len(steps) if options.ending is None else options.ending
    if not 1 <= start <= len(steps) or not start <= end <= len(steps):
        raise UserError(
            f"Steps {start} to {end} were asked for; steps are numbered 1 to {len(steps)} and the first must not "
            "come after the last."
        )
    chosen = [
        (step, first <= GROUPS.index(step.group) <= last and start <= number <= end)
        for number, step in enumerate(steps, start=1)
    ]
    if not any(run for _, run in chosen):
        raise UserError("No step is left to run: check the first and the last step.")
    return chosen


def _group(name: str, what: str) -> int:
    if name not in GROUPS:
        raise UserError(f"{what}: {name!r} is no group of steps. Groups: {', '.join(GROUPS)}.")
    return GROUPS.index(name)


def check(config: Config) -> tuple[Survey, Plan]:
    """Look at configuration and inputs (headers only); raise UserError with all problems."""
    found = survey(config)
    require_writable(config.chain.output_path)
    return found, plan_run(config, found)


@dataclass(frozen=True)
class Outlook:
    """What a run would do."""

    plan: Plan
    """The jobs of the steps asked for."""
    verdicts: Mapping[str, Verdict]
    steps: Sequence[tuple[Step, bool]]
    found: Survey


def look_ahead(config: Config, options: Options) -> Outlook:
    """What a run would do, and why; nothing is written but stamps of outputs that were only touched."""
    found, plan = check(config)
    chosen = chosen_steps(plan.steps, config, options)
    texts = survey_texts(found, plan.root)
    plan = _chosen_jobs(plan, chosen)
    return Outlook(plan, _assess(plan, texts, options), chosen, found)


def run(config: Config, options: Options, watcher: Watcher) -> dict[str, JobResult]:
    """Run what is stale. Raises JobsFailed when jobs failed for good.

    With ``skip_damaged_products``, what was found damaged on the way is left out, for all jobs of its tile alike, and
    the run goes on; every time at least one product is left out, so this comes to an end.
    """
    root = config.chain.output_path
    while True:
        known = known_damage(root)
        try:
            return _run_once(config, options, watcher)
        except JobsFailed:
            new = [damage for damage in known_damage(root) if damage not in known]
            if not (config.chain.skip_damaged_products and new):
                raise
        for damage in new:
            watcher.say(f"{damage.tile}: {damage.product} is damaged ({damage.reason}); going on without it")
        options = replace(options, restart=True, force=())


def _run_once(config: Config, options: Options, watcher: Watcher) -> dict[str, JobResult]:
    """Run what is stale, of all that is known to be whole."""
    shares = shares_of(options.resources, options.use, retries(config))
    for remark in shares.remarks:
        watcher.say(f"note: {remark}")
    found, plan = check(config)
    chosen = chosen_steps(plan.steps, config, options)
    watcher.summary(chosen, found)
    claim(plan.root)
    with locked(plan.root) as message:
        if message:
            watcher.say(message)
        afresh = config.chain.remove_output_path and chosen[0][1] and not options.restart
        prepare(plan.root, _may_make(plan), remove=afresh)
        texts = survey_texts(found, plan.root)
        write_survey(texts)
        for warning in _skipped_but_stale(plan, chosen, texts):
            watcher.say(warning)
        plan = _chosen_jobs(plan, chosen)
        verdicts = _assess(plan, texts, options)
        options, disk = _foreseen(config, options, watcher, plan, verdicts, found=found)
        with full_disk_told(plan.root, disk):
            return _run_jobs(config, options, watcher, plan, verdicts, found=found, shares=shares)


def _foreseen(
    config: Config, options: Options, watcher: Watcher, plan: Plan, verdicts: Mapping[str, Verdict], *, found: Survey
) -> tuple[Options, int]:
    """The options with as many workers as fit this machine's memory, and the bytes of disk needed; both are told.

    Raises OutputError when the disk has less room.
    """
    if all(verdict.state == "fresh" for verdict in verdicts.values()):
        return options, 0
    use = replace(options.use, memory=min(options.use.memory, retries(config).memory))
    workers = 0 if options.engine == "debug" else options.workers
    if workers is None:
        workers = (os.cpu_count() or 1) if options.engine == "local" else WORKERS
    if options.engine == "local" and options.scheduler is None and workers:
        fitting = fitting_workers(workers, use.memory, available_memory())
        if fitting < workers:
            watcher.say(f"note: {fitting} workers in place of {workers}: the memory that is free holds no more")
        workers = fitting
        options = replace(options, workers=workers)
    forecast = foresee(config, found, plan, verdicts, use=use, workers=workers)
    watcher.say(forecast.text(require_room(plan.root, forecast.disk)))
    return replace(options, use=use), forecast.disk


def _run_jobs(
    config: Config,
    options: Options,
    watcher: Watcher,
    plan: Plan,
    verdicts: Mapping[str, Verdict],
    *,
    found: Survey,
    shares: Shares,
) -> dict[str, JobResult]:
    """Run the jobs that are not fresh and record those that end well."""
    ledger, status = Ledger(plan.root), Status(plan, verdicts)
    ledger.compact()
    told = (f"{verdict.state:5}  {id_}: {verdict.reason}" for id_, verdict in verdicts.items())
    write_text(plan.root / layout.REASONS.path, "\n".join(told))
    watcher.started(plan, verdicts)
    site = Site(config, found, plan, verdicts, tell=watcher.say, resume=resume_command(config, options))
    site.started()

    def ended(result: JobResult) -> None:
        if result.state == "done" and result.record is not None:
            ledger.add(result.record)
        if result.damage is not None and config.chain.skip_damaged_products:
            note_damage(plan.root, result.damage)
        status.ended(result)
        watcher.ended(result)
        site.ended(result)

    try:
        if all(verdict.state == "fresh" for verdict in verdicts.values()):
            return {}
        with engine(config, options, shares) as place:
            level = config.chain.logger_level
            results = execute(
                plan, verdicts, place, ended, options.use, shares=shares.steps, retry=retries(config), level=level
            )
    finally:
        status.write()
        site.finished()
    if any(result.state not in WELL for result in results.values()):
        raise JobsFailed(failure_text(plan, results, resume_command(config, options)))
    return results


def _skipped_but_stale(plan: Plan, chosen: Sequence[tuple[Step, bool]], texts: Mapping[Path, str]) -> list[str]:
    """Steps before the first chosen one that are left out although they are out of date."""
    first = next(k for k, (_, wanted) in enumerate(chosen) if wanted)
    before = {step.name for step, _ in chosen[:first]}
    if not before:
        return []
    verdicts = assess(plan, Ledger(plan.root), digests(texts, plan.root))
    stale = {
        job.step.name: verdicts[job.id].reason
        for job in plan.jobs
        if job.step.name in before and verdicts[job.id].state == "stale"
    }
    return [f"warning: {name} is out of date ({reason}) and is left out as asked" for name, reason in stale.items()]


def _chosen_jobs(plan: Plan, chosen: Sequence[tuple[Step, bool]]) -> Plan:
    return plan.restricted([step.name for step, wanted in chosen if wanted])


def _assess(plan: Plan, texts: Mapping[Path, str], options: Options) -> dict[str, Verdict]:
    """Verdicts on the jobs, after a look at the steps to force."""
    names = [step.name for step in plan.steps]
    for name in options.force:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"steps: {', '.join(names)}."
            raise UserError(f"--force: no step is called {name!r}; {hint}")
    return assess(plan, Ledger(plan.root), digests(texts, plan.root), force=options.force)


def _may_make(plan: Plan) -> list[Path]:
    """Everything that a run of the plan may write at fixed places."""
    return [*plan.given, *(path for job in plan.jobs for path in job.outputs)]


def retries(config: Config) -> Retry:
    """How failed jobs are tried again."""
    limits = config.task_retry_limits
    return Retry(limits.allowed_retry, int(limits.maximum_ram * 1e9), limits.maximum_cpu)


@contextmanager
def engine(config: Config, options: Options, shares: Shares) -> Iterator[Engine]:
    """The engine that is asked for; one worker per core of this machine when nothing is."""
    if options.scheduler is not None:
        with running_scheduler(options.scheduler) as cluster:
            yield cluster
    elif options.engine in ("slurm", "pbs"):
        logs = config.chain.output_path / Path(layout.LOG_WORKER.path).parent
        site = config.slurm
        with queued_workers(
            Queue(options.engine, options.workers or WORKERS, shares.worker, logs, site.account, site.partition)
        ) as cluster:
            yield cluster
    elif options.engine == "debug" or options.workers == 0:
        yield Debug()
    else:
        with local_cluster(options.workers or os.cpu_count() or 1) as cluster:
            yield cluster


class Status:
    """State of every job, in a text file that can be read while the run goes on."""

    def __init__(self, plan: Plan, verdicts: Mapping[str, Verdict]) -> None:
        self._path = plan.root / layout.STATUS.path
        self._lines = {
            job.id: _status_line("fresh" if verdicts[job.id].state == "fresh" else "waiting", job.id)
            for job in plan.jobs
        }
        self._written = 0.0

    def ended(self, result: JobResult) -> None:
        """Note a result; the file follows at most every other second."""
        self._lines[result.id] = _status_line(result.state, result.id, result.seconds)
        if time.monotonic() - self._written > STATUS_SECONDS:
            self.write()

    def write(self) -> None:
        """Bring the file up to date."""
        write_text(self._path, "\n".join(self._lines.values()))
        self._written = time.monotonic()


def _status_line(state: str, id_: str, seconds: float = 0.0) -> str:
    return f"{state:8} {seconds:9.2f} s  {id_}"


def failure_text(plan: Plan, results: Mapping[str, JobResult], resume: str) -> str:
    """What failed, where to read why, what was not done because of it, and how to go on."""
    failed = [job for job in plan.jobs if job.id in results and results[job.id].state == "failed"]
    blocked = sum(result.state == "blocked" for result in results.values())
    lines = [f"{len(failed)} of {len(results)} jobs failed; {blocked} that need them were not run."]
    for job in failed[:SHOWN_FAILURES]:
        lines += [f"  {job.id}: {results[job.id].message}", f"    log: {plan.root / 'logs' / job.id}.err"]
    if len(failed) > SHOWN_FAILURES:
        lines.append(f"  … and {len(failed) - SHOWN_FAILURES} more: {plan.root / layout.STATUS.path}")
    unmade = [
        path for job in plan.jobs if job.id in results and results[job.id].state not in WELL for path in job.outputs
    ]
    old = sorted(path.name for path in unmade if path.parent == plan.root / "final" and path.exists())
    if old:
        lines.append(f"OUT OF DATE, of an earlier run, in {plan.root / 'final'}: {', '.join(old)}")
    lines.append(f"What is done stays. Mend the cause, then: {resume}")
    return "\n".join(lines)


def resume_command(config: Config, options: Options) -> str:
    """The command that goes on where a run ended, in the same place."""
    words = ["iota2", "run", str(config.source)]
    if options.scheduler is not None:
        words += ["--scheduler", options.scheduler]
    elif options.engine != "local":
        words += ["--engine", options.engine]
    if options.resources is not None:
        words += ["--resources", str(options.resources)]
    if config.chain.remove_output_path:
        words.append("--restart")
    return shlex.join(words)


def damaged(root: Path, *, deep: bool) -> list[str]:
    """Outputs that are not as they were made; ``deep`` compares their bytes."""
    return [
        path
        for record in Ledger(root).records.values()
        for path, stamp in record.outputs.items()
        if not (root / path).exists() or as_it_is(root / path, stamp, deep=deep) is None
    ]


def products(config: Config) -> list[tuple[Path, str]]:
    """The files that a person looks at first, with one sentence each."""
    shown = (
        layout.MAP,
        layout.COLOR_MAP,
        layout.FINAL_CONFIDENCE,
        layout.FINAL_VALIDITY,
        layout.CONFUSION_FIGURE,
    )
    found = [
        (config.chain.output_path / artifact.path.format(seed=seed), artifact.about)
        for artifact in shown
        for seed in range(config.arg_train.runs)
    ]
    found += [
        (config.chain.output_path / artifact.path, artifact.about) for artifact in (layout.RESULTS, layout.REPORT)
    ]
    return [(path, about) for path, about in dict.fromkeys(found) if path.exists()]
