"""A whole run, from a configuration to products: survey, plan, execute, and what is told on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from iota2 import layout
from iota2.chains.classification import CLASSIFICATION, SURVEY
from iota2.config.options.schema import Config
from iota2.core.files import MAX_NAME_BYTES
from iota2.core.graph import Resources, Step
from iota2.core.words import printable
from iota2.errors import JobsFailed, UserError
from iota2.io.files.atomic import remove_leftovers, write_text
from iota2.io.tables.alignments import unaligned
from iota2.io.tables.notes import read_notes
from iota2.io.tables.vector_source import vector_source
from iota2.io.tables.vectors import sqlite_max_columns
from iota2.run.host import available_memory, cores, disk_is_full
from iota2.run.options import Options, chosen_steps, resume_command, step_notes, steps_named
from iota2.run.plan.jobs import Job, Plan, make_plan
from iota2.run.progress.reasons import Reasons, keep_parameters
from iota2.run.progress.site import Site
from iota2.run.progress.state_notes import clear_damaged, state_notes
from iota2.run.progress.status import WORDS, End, Status, note_begin, note_end
from iota2.run.records.damage import known_damage, note_damage
from iota2.run.records.ledger import Ledger, Verdict, all_reasons, assess
from iota2.run.records.lock import locked
from iota2.run.records.output import claim, empty, left_over, prepare, removable, require_ours
from iota2.run.records.state import make_way
from iota2.run.survey.forecast import (
    Forecast,
    budgets_of,
    fitting_workers,
    forecast_run,
    full_disk_message,
    needed_memory,
    require_room,
    size,
)
from iota2.run.survey.listing import digests, survey_texts, write_survey
from iota2.run.survey.survey import Survey, survey
from iota2.run.workers.clusters import WORKERS, Queue, queued_workers, running_scheduler
from iota2.run.workers.execute import Debug, Engine, Retry, execute
from iota2.run.workers.heartbeat import clear_heartbeats
from iota2.run.workers.job import WELL, JobResult
from iota2.run.workers.local import local_workers
from iota2.run.workers.resources import Shares, shares_of

SHOWN_FAILURES = 10
SHOWN_LEFT_OVER = 5
OWN_COLUMNS = 16
"""Columns of sample tables that are not features, at most."""


class Watcher:
    """Is told of a run as it goes on. The base class keeps quiet."""

    def say(self, text: str) -> None:
        """Something a person should know."""

    def summary(self, steps: Sequence[tuple[Step, bool]], found: Survey) -> None:
        """Before anything runs: the active steps, with those to be run marked."""

    def started(self, plan: Plan, verdicts: Mapping[str, Verdict], forecast: Forecast | None = None) -> None:
        """The jobs are known, and which of them have to run; what that will need, when any does."""

    def ended(self, result: JobResult) -> None:
        """One job came to its end."""

    def outdated(self, products: Mapping[Path, str]) -> None:
        """After a run of some steps: products of an earlier run that are out of date, each with why."""


def region_base(config: Config) -> str:
    """Base name of the region vector: the user's file name, unless another file has it, or ``MyRegion``."""
    stem = vector_source(config.chain.region_path).file.stem if config.chain.region_path else "MyRegion"
    return f"{stem}_region" if stem == Path(layout.REFERENCE.path).stem else stem


def constants(config: Config, found: Survey) -> dict[str, str | int]:
    """Run-wide parts of paths. Samples go to Parquet when asked for, or when SQLite cannot hold the features."""
    too_many = len(found.recipe.names) + OWN_COLUMNS > sqlite_max_columns()
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
    names = {part for job in plan.jobs for name in job.makes for part in name.split("/")}
    longest = max(names, key=lambda name: len(os.fsencode(name)))
    if len(os.fsencode(longest)) > MAX_NAME_BYTES:
        raise UserError(
            f"The results would hold a file {longest!r}, whose name takes {len(os.fsencode(longest))} bytes; file "
            f"systems hold {MAX_NAME_BYTES}. Shorten the name of the region file, of a region or of a tile."
        )


def check(config: Config) -> tuple[Survey, Plan]:
    """Look at configuration and inputs (headers only); raise UserError with all problems."""
    found = survey(config)
    return found, plan_run(config, found)


@dataclass(frozen=True)
class Outlook:
    """What a run would do."""

    plan: Plan
    """The jobs of the steps asked for."""
    verdicts: Mapping[str, Verdict]
    steps: Sequence[tuple[Step, bool]]
    found: Survey
    texts: Mapping[Path, str]
    """Files of the survey with their text; they are not written yet."""
    removed: Sequence[Path] | None = None
    """Files that are removed first; None when the output folder is not to be emptied."""
    notes: Sequence[str] = ()
    """On steps that were asked for and are not active."""
    left_out: int = 0
    """Jobs of steps that were not asked for."""

    @property
    def to_run(self) -> list[tuple[Step, bool]]:
        """Active steps, each with whether it has a job that will or may run."""
        busy = {job.step.name for job in self.plan.jobs if self.verdicts[job.id].state != "fresh"}
        return [(step, step.name in busy) for step, _ in self.steps]

    def reasons(self, job: Job) -> list[str]:
        """Every reason why a job of the plan runs, or why not."""
        return all_reasons(job, self.verdicts[job.id], self._words)

    @cached_property
    def _words(self) -> Reasons:
        """The records of the last run, read once for all jobs."""
        return Reasons(self.plan.root, self.texts)


def look_ahead(config: Config, options: Options) -> Outlook:
    """What a run would do, and why; nothing is written."""
    found, plan = check(config)
    return _outlook(config, options, found, plan)


def first_look(config: Config, options: Options) -> Outlook:
    """What a run would do in a folder without earlier runs; only headers are read, and nothing is written."""
    found, plan = check(config)
    chosen = chosen_steps(plan.steps, config, options)
    plan = _chosen_jobs(plan, chosen)
    verdicts = {job.id: Verdict("stale", "never made", None, "", {}) for job in plan.jobs}
    return Outlook(plan, verdicts, chosen, found, {}, notes=step_notes(plan.steps, config, options))


def foretell(config: Config, options: Options, watcher: Watcher, outlook: Outlook) -> None:
    """Report the memory and disk that a run needs. Raises the errors of a run when they are not available."""
    _foreseen(config, options, watcher, outlook, shares_of(options.resources, options.use, retries(config)))


def _outlook(config: Config, options: Options, found: Survey, plan: Plan, *, renew: bool = False) -> Outlook:
    """What is to be done of the full plan; ``renew`` as in ``assess``."""
    chosen, notes = chosen_steps(plan.steps, config, options), step_notes(plan.steps, config, options)
    texts = survey_texts(found, plan.root)
    emptied = config.chain.remove_output_path and chosen[0][1] and not options.restart
    if not emptied:
        require_ours(plan.root, _may_make(plan))
    all_jobs, plan = len(plan.jobs), _chosen_jobs(plan, chosen)
    left_out = all_jobs - len(plan.jobs)
    verdicts = _assess(plan, texts, options, renew=renew)
    if not emptied:
        return Outlook(plan, verdicts, chosen, found, texts, notes=notes, left_out=left_out)
    reason = "the output folder is emptied first"
    verdicts = {id_: replace(verdict, state="stale", reason=reason) for id_, verdict in verdicts.items()}
    removed = removable(plan.root) if (plan.root / layout.MARK).is_dir() else []
    return Outlook(plan, verdicts, chosen, found, texts, removed, notes, left_out)


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
    """Run what is stale, of all that is known to be whole.

    All that can refuse a run comes before the first change of an earlier run's results: inputs, steps, memory, disk,
    and whether there are workers.
    """
    shares = shares_of(options.resources, options.use, retries(config))
    for remark in shares.remarks:
        watcher.say(f"note: {remark}")
    found, whole = check(config)
    for note in step_notes(whole.steps, config, options):
        watcher.say(f"note: {note}")
    claim(whole.root)
    with locked(whole.root) as message, _tidied(whole.root):
        for told in (*([message] if message else ()), *state_notes(whole.root)):
            watcher.say(told)
        outlook = _outlook(config, options, found, whole, renew=True)
        watcher.summary(outlook.to_run, found)
        for warning in _skipped_but_stale(whole, outlook.steps, outlook.texts):
            watcher.say(warning)
        fitted, forecast = _foreseen(config, options, watcher, outlook, shares)
        resume = resume_command(config, options)
        nothing = all(verdict.state == "fresh" for verdict in outlook.verdicts.values())
        with (
            full_disk_message(whole.root, forecast.room if forecast else 0, resume),
            nullcontext(Debug()) if nothing else engine(config, fitted, shares) as place,
        ):
            if outlook.removed is not None:
                outlook = _emptied(outlook, options, watcher)
            mine = _may_make(whole)
            prepare(whole.root, mine, remove=False)
            if left := left_over(whole.root, mine):
                watcher.say(_left_over_told(whole.root, left))
            write_survey(outlook.texts)
            results = _run_jobs(
                config, options, watcher, outlook, place=place, use=fitted.use, shares=shares, forecast=forecast
            )
            watcher.outdated(_outdated(whole, outlook))
            return results


def _outdated(whole: Plan, outlook: Outlook) -> dict[Path, str]:
    """Products that stand although their jobs, or jobs before these, were left out and are not up to date."""
    if all(chosen for _, chosen in outlook.steps):
        return {}
    verdicts = assess(
        whole, Ledger(whole.root), digests(outlook.texts, whole.root), words=Reasons(whole.root, outlook.texts)
    )
    return {
        whole.root / name: _waits_for(job, whole, verdicts)
        for job in whole.jobs
        if verdicts[job.id].state != "fresh"
        for name in job.products
        if (whole.root / name).exists()
    }


def _waits_for(job: Job, plan: Plan, verdicts: Mapping[str, Verdict]) -> str:
    """Why a job is not up to date: the first job before it, or itself, that has to run, with the reason."""
    while waited := [need for need in job.needs if verdicts[need].state != "fresh"]:
        job = plan.by_id[waited[0]]
    return f"{job.step.name} has to run ({verdicts[job.id].reason})"


def _emptied(outlook: Outlook, options: Options, watcher: Watcher) -> Outlook:
    """Empty the output folder, and say what there is to do then."""
    root, removed = outlook.plan.root, outlook.removed or ()
    if removed:
        watcher.say(f"{root}: removing {len(removed)} files of earlier runs, as chain.remove_output_path asks")
    empty(root, removed)
    return replace(outlook, verdicts=_assess(outlook.plan, outlook.texts, options), removed=None)


@contextmanager
def _tidied(root: Path) -> Iterator[None]:
    """Nothing is left in progress before the body and after it, whatever was killed, then or now."""
    remove_leftovers(root)
    try:
        yield
    finally:
        remove_leftovers(root)


def _foreseen(
    config: Config, options: Options, watcher: Watcher, outlook: Outlook, shares: Shares
) -> tuple[Options, Forecast | None]:
    """The options with as many workers as fit this machine's memory, and what the run will need; both are told.

    Raises OutputError when the disk has less room.
    """
    plan, verdicts = outlook.plan, outlook.verdicts
    jobs = [job for job in plan.jobs if verdicts[job.id].state != "fresh"]
    if not jobs:
        return options, None
    use = replace(options.use, memory=min(options.use.memory, retries(config).memory))
    workers = 0 if options.engine == "debug" else options.workers
    if workers is None:
        workers = cores() if options.engine == "local" else WORKERS
    if options.engine in ("local", "debug") and options.scheduler is None:
        budgets = budgets_of(config, outlook.found, jobs, use, shares.steps)
        free = available_memory()
        fitting = fitting_workers(workers, budgets, free)
        if fitting < workers:
            watcher.say(f"note: {fitting} workers in place of {workers}: the memory that is free holds no more")
        workers = fitting
        options = replace(options, workers=workers)
        if needed_memory(workers, budgets) > free:
            watcher.say(f"note: the largest job may take more memory than is free, {size(free)}")
    freed = None if outlook.removed is None else sum(path.lstat().st_size for path in outlook.removed)
    forecast = forecast_run(
        config, outlook.found, plan, verdicts, use=use, workers=workers, shares=shares.steps, freed=freed
    )
    watcher.say(forecast.text(require_room(plan.root, forecast.room)))
    return replace(options, use=use), forecast


def _run_jobs(
    config: Config,
    options: Options,
    watcher: Watcher,
    outlook: Outlook,
    *,
    place: Engine,
    use: Resources,
    shares: Shares,
    forecast: Forecast | None,
) -> dict[str, JobResult]:
    """Run the jobs that are not fresh and record those that end well."""
    plan, verdicts = outlook.plan, outlook.verdicts
    ledger, status = Ledger(plan.root), Status(plan, verdicts)
    ledger.compact()
    clear_damaged(plan.root)
    clear_heartbeats(plan.root)
    told = (
        f"{WORDS[verdict.state]:10}  {id_}" + (f": {verdict.reason}" if verdict.state != "fresh" else "")
        for id_, verdict in verdicts.items()
    )
    make_way(plan.root / layout.REASONS.path)
    write_text(plan.root / layout.REASONS.path, printable("\n".join(told)))
    keep_parameters(plan, verdicts, ledger)
    note_begin(plan.root, outlook.left_out)
    status.write()
    watcher.started(plan, verdicts, forecast)
    resume = resume_command(config, options)
    site = Site(config, outlook.found, plan, verdicts, tell=watcher.say, resume=resume)
    site.started()
    books = _Books(plan.root, ledger, status, skip_damaged=config.chain.skip_damaged_products)

    def ended(result: JobResult) -> None:
        books.ended(result)
        watcher.ended(result)
        site.ended(result)

    how: End = "stopped"
    try:
        level = config.chain.logger_level
        results = execute(plan, verdicts, place, ended, use, shares=shares.steps, retry=retries(config), level=level)
        how = "done" if all(result.state in WELL for result in results.values()) else "failed"
    finally:
        books.close(how)
        site.finished()
    unwell = {id_.split("/")[0] for id_, result in results.items() if result.state not in WELL}
    if unwell:
        again = replace(
            options, force=tuple(step for step in options.force if unwell.intersection(steps_named("--force", step)))
        )
        raise JobsFailed(failure_text(plan, results, resume_command(config, again)))
    books.require_written()
    return results


class _Books:
    """Records, states and damage, noted as jobs end.

    A disk that is full does not end a run here: the jobs that need room fail, and their names are what there is to
    tell. What could not be noted is noted at the end, if there is room again.
    """

    def __init__(self, root: Path, ledger: Ledger, status: Status, *, skip_damaged: bool) -> None:
        self._root, self._ledger, self._status, self._skip_damaged = root, ledger, status, skip_damaged
        self._full: OSError | None = None

    def ended(self, result: JobResult) -> None:
        """Note what became of a job."""
        if result.state == "done" and result.record is not None:
            with self._going_on():
                self._ledger.add(result.record)
        if result.damage is not None and self._skip_damaged:
            with self._going_on():
                note_damage(self._root, result.damage)
        with self._going_on():
            self._status.ended(result)

    def close(self, how: End) -> None:
        """Bring all up to date, and note how the run ended."""
        if self._full is not None:
            self._full = None
            with self._going_on():
                self._ledger.compact()
        with self._going_on():
            self._status.write()
            note_end(self._root, how)

    def require_written(self) -> None:
        """Raise the error for which not all was noted."""
        if self._full is not None:
            raise self._full

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        try:
            yield
        except OSError as err:
            if not disk_is_full(err):
                raise
            self._full = err


def _skipped_but_stale(plan: Plan, chosen: Sequence[tuple[Step, bool]], texts: Mapping[Path, str]) -> list[str]:
    """Steps before the first chosen one that are left out although they are out of date."""
    first = next(k for k, (_, wanted) in enumerate(chosen) if wanted)
    before = {step.name for step, _ in chosen[:first]}
    if not before:
        return []
    verdicts = assess(plan, Ledger(plan.root), digests(texts, plan.root), words=Reasons(plan.root, texts))
    stale = {
        job.step.name: verdicts[job.id].reason
        for job in plan.jobs
        if job.step.name in before and verdicts[job.id].state == "stale"
    }
    return [f"warning: {name} is out of date ({reason}) and is left out as asked" for name, reason in stale.items()]


def _chosen_jobs(plan: Plan, chosen: Sequence[tuple[Step, bool]]) -> Plan:
    return plan.restricted([step.name for step, wanted in chosen if wanted])


def _assess(plan: Plan, texts: Mapping[Path, str], options: Options, *, renew: bool = False) -> dict[str, Verdict]:
    """Verdicts on the jobs, after a look at the steps to force."""
    active, forced = {step.name for step in plan.steps}, set[str]()
    for asked in options.force:
        named = active.intersection(steps_named("--force", asked))
        if not named:
            raise UserError(
                f"--force {asked}: no such step is among those that this configuration and these options run."
                " iota2 plan lists them."
            )
        forced |= named
    ledger, given, words = Ledger(plan.root), digests(texts, plan.root), Reasons(plan.root, texts)
    return assess(plan, ledger, given, force=forced, renew=renew, words=words)


def _may_make(plan: Plan) -> list[str]:
    """Everything that a run of the plan may write at fixed places."""
    return [*plan.given, *(name for job in plan.jobs for name in job.makes)]


def _left_over_told(root: Path, left: Sequence[str]) -> str:
    """A note on files that other settings made: they look like results of this run and are not."""
    shown = ", ".join(left[:SHOWN_LEFT_OVER]) + (", …" if len(left) > SHOWN_LEFT_OVER else "")
    return f"note: {len(left)} files in {root} are of earlier settings and stay as they are: {shown}"


def resource_notes(config: Config, options: Options) -> tuple[str, ...]:
    """What a resources file says without effect; raises ConfigError with all problems of the file."""
    return shares_of(options.resources, options.use, retries(config)).remarks


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
        private = config.chain.output_path / layout.MARK
        site = config.slurm
        with queued_workers(
            Queue(
                options.engine, options.workers or WORKERS, shares.worker, logs, private, site.account, site.partition
            )
        ) as cluster:
            yield cluster
    elif options.engine == "debug" or options.workers == 0:
        yield Debug()
    else:
        with local_workers(options.workers or cores()) as cluster:
            yield cluster


def failure_text(plan: Plan, results: Mapping[str, JobResult], resume: str) -> str:
    """What failed, where to read why, what was not done because of it, and how to go on."""
    failed = [job for job in plan.jobs if job.id in results and results[job.id].state == "failed"]
    blocked = sum(result.state == "blocked" for result in results.values())
    lines = [f"{len(failed)} of {len(results)} jobs failed; {blocked} that need them were not run."]
    for job in failed[:SHOWN_FAILURES]:
        lines += [f"  {job.id}: {results[job.id].message}", f"    log: {plan.root / 'logs' / job.id}.err"]
    if len(failed) > SHOWN_FAILURES:
        lines.append(f"  … and {len(failed) - SHOWN_FAILURES} more: {plan.root / layout.STATUS.path}")
    unmade = (
        plan.root / name
        for job in plan.jobs
        if job.id in results and results[job.id].state not in WELL
        for name in job.products
    )
    old = sorted(path.name for path in unmade if path.exists())
    if old:
        lines.append(f"OUT OF DATE, of an earlier run, in {plan.root / 'final'}: {', '.join(old)}")
    lines.append(f"What is done stays. Mend the cause, then: {resume}")
    return "\n".join(lines)


def products(config: Config) -> list[tuple[Path, str]]:
    """The files that a person looks at first, with one sentence each."""
    found = [
        (config.chain.output_path / artifact.path.format(seed=seed), artifact.about)
        for artifact in layout.products()
        if artifact.when(config)
        for seed in range(config.arg_train.runs)
    ]
    return [(path, about) for path, about in dict.fromkeys(found) if path.exists()]


def closing_notes(config: Config) -> list[str]:
    """What the user should know of a run that ended well: doubtful values, dates that could not be aligned."""
    root = config.chain.output_path
    noted = [root / layout.VALUE_NOTES.path.format(tile=tile) for tile in config.chain.list_tile]
    values = [note for path in noted if path.exists() for note in read_notes(path)]
    if not layout.with_coregistration(config):
        return values
    tables = {
        tile: config.chain.output_path / layout.SHIFTS_TABLE.path.format(tile=tile) for tile in config.chain.list_tile
    }
    return [*values, *(note for tile, path in tables.items() if path.exists() for note in unaligned(path, tile))]
