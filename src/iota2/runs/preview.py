"""Preview of a run: the plan of a configuration, the verdicts on its jobs, and the required memory and disk space."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from iota2 import layout
from iota2.chains import chain_of, survey_files
from iota2.config.options.schema import Config
from iota2.core.files import MAX_NAME_BYTES
from iota2.core.graph import Step
from iota2.core.words import counted, size_text
from iota2.errors import UserError
from iota2.io.tables.vector_source import vector_source
from iota2.io.tables.vectors import sqlite_max_columns
from iota2.runs.host import available_memory, cores
from iota2.runs.options import Options, chosen_steps, step_notes, steps_named
from iota2.runs.plan.jobs import Job, Plan, make_plan
from iota2.runs.progress.reasons import Reasons
from iota2.runs.records.output import removable, require_ours
from iota2.runs.records.records import Ledger
from iota2.runs.records.verdicts import Verdict, all_reasons, assess
from iota2.runs.survey.forecast import (
    Forecast,
    budgets_of,
    fitting_workers,
    forecast_run,
    needed_memory,
    require_disk_space,
)
from iota2.runs.survey.listing import digests, survey_texts
from iota2.runs.survey.survey import Survey, survey
from iota2.runs.watcher import Watcher
from iota2.runs.workers.clusters import DEFAULT_CLUSTER_WORKERS
from iota2.runs.workers.engine import configured_resources, retries
from iota2.runs.workers.resources import ResourceSettings

MAX_NON_FEATURE_COLUMNS = 16
"""Maximum number of columns of a sample table that are not features."""


@dataclass(frozen=True)
class RunPreview:
    """Jobs that a run would execute, with reasons."""

    plan: Plan
    """The jobs of the selected steps."""
    verdicts: Mapping[str, Verdict]
    steps: Sequence[tuple[Step, bool]]
    survey: Survey
    texts: Mapping[Path, str]
    """Text of each file of the survey; not written yet."""
    removed: Sequence[Path] | None = None
    """Files to be removed first; None if the output folder is not emptied."""
    notes: Sequence[str] = ()
    """Notes on requested steps that are not active."""
    left_out: int = 0
    """Number of jobs of steps that are not selected."""

    @property
    def to_run(self) -> list[tuple[int, Step, bool]]:
        """Active steps: number, step, and whether any of its jobs will or may run."""
        busy = {job.step.name for job in self.plan.jobs if self.verdicts[job.id].state != "fresh"}
        return [(self.plan.numbers[step.name], step, step.name in busy) for step, _ in self.steps]

    def reasons(self, job: Job) -> list[str]:
        """All reasons for the verdict on a job of the plan."""
        return all_reasons(job, self.verdicts[job.id], self._reasons)

    @cached_property
    def _reasons(self) -> Reasons:
        """Reasons from the records of the last run, read once for all jobs."""
        return Reasons(self.plan.root, self.texts)


def preview_run(config: Config, options: Options) -> RunPreview:
    """The preview of a run; nothing is written."""
    found, plan = survey_and_plan(config)
    return preview_plan(config, options, found, plan)


def preview_first_run(config: Config, options: Options) -> RunPreview:
    """The preview of a run in a folder without earlier runs; only headers are read, and nothing is written."""
    found, plan = survey_and_plan(config)
    chosen = chosen_steps(plan.steps, config, options)
    plan = _selected_jobs(plan, chosen)
    verdicts = {job.id: Verdict("stale", "never made", None, "", {}) for job in plan.jobs}
    return RunPreview(plan, verdicts, chosen, found, {}, notes=step_notes(plan.steps, config, options))


def report_forecast(config: Config, options: Options, watcher: Watcher, preview: RunPreview) -> None:
    """Report the memory and disk that a run needs; OutputError if the disk has too little space."""
    fit_and_forecast(config, options, watcher, preview, configured_resources(config, options))


def preview_plan(config: Config, options: Options, found: Survey, plan: Plan, *, renew: bool = False) -> RunPreview:
    """The preview of a full plan; ``renew`` as in ``assess``."""
    chosen, notes = chosen_steps(plan.steps, config, options), step_notes(plan.steps, config, options)
    texts = survey_texts(found, plan.root)
    emptied = config.chain.remove_output_path and chosen[0][1] and not options.restart
    if not emptied:
        require_ours(plan.root, planned_outputs(plan))
    all_jobs, plan = len(plan.jobs), _selected_jobs(plan, chosen)
    left_out = all_jobs - len(plan.jobs)
    verdicts = verdicts_of(config, plan, texts, options, renew=renew)
    if not emptied:
        return RunPreview(plan, verdicts, chosen, found, texts, notes=notes, left_out=left_out)
    reason = "the output folder is emptied first"
    verdicts = {id_: replace(verdict, state="stale", reason=reason) for id_, verdict in verdicts.items()}
    removed = removable(plan.root, plan.numbers) if (plan.root / layout.MARK).is_dir() else []
    return RunPreview(plan, verdicts, chosen, found, texts, removed, notes, left_out)


def fit_and_forecast(
    config: Config, options: Options, watcher: Watcher, preview: RunPreview, resources: ResourceSettings
) -> tuple[Options, Forecast | None]:
    """The options with a number of workers that fits into memory, and the forecast of the run; both are reported.

    Raises OutputError if the disk has too little space.
    """
    plan, verdicts = preview.plan, preview.verdicts
    jobs = [job for job in plan.jobs if verdicts[job.id].state != "fresh"]
    if not jobs:
        return options, None
    use = replace(options.use, memory=min(options.use.memory, retries(config).memory))
    workers = 0 if options.engine == "debug" else options.workers
    if workers is None:
        workers = cores() if options.engine == "local" else DEFAULT_CLUSTER_WORKERS
    if options.engine in ("local", "debug") and options.scheduler is None:
        budgets = budgets_of(config, preview.survey, jobs, use, resources.steps)
        free = available_memory()
        fitting = fitting_workers(workers, budgets, free)
        if fitting < workers:
            watcher.say(
                f"note: {counted(fitting, 'worker')} instead of {workers}: the free memory is not sufficient for more"
            )
        workers = fitting
        options = replace(options, workers=workers)
        if needed_memory(workers, budgets) > free:
            watcher.say(f"note: the largest job may need more than the free memory, {size_text(free)}")
    freed = None if preview.removed is None else sum(path.lstat().st_size for path in preview.removed)
    forecast = forecast_run(
        config, preview.survey, plan, verdicts, use=use, workers=workers, step_resources=resources.steps, freed=freed
    )
    watcher.say(forecast.text(require_disk_space(plan.root, forecast.needed_disk)))
    return replace(options, use=use), forecast


def _selected_jobs(plan: Plan, chosen: Sequence[tuple[Step, bool]]) -> Plan:
    return plan.restricted([step.name for step, wanted in chosen if wanted])


def verdicts_of(
    config: Config, plan: Plan, texts: Mapping[Path, str], options: Options, *, renew: bool = False
) -> dict[str, Verdict]:
    """Verdicts on the jobs; UserError for a step to force that is not in the plan."""
    active, forced = {step.name for step in plan.steps}, set[str]()
    for asked in options.force:
        named = active.intersection(steps_named(chain_of(config), "--force", asked))
        if not named:
            raise UserError(
                f"--force {asked}: this step is not run with this configuration and these options."
                " List the steps with: iota2 plan"
            )
        forced |= named
    ledger, given, descriptions = Ledger(plan.root), digests(texts, plan.root), Reasons(plan.root, texts)
    return assess(plan, ledger, given, force=forced, renew=renew, descriptions=descriptions)


def planned_outputs(plan: Plan) -> list[str]:
    """All files that a run of the plan may write, relative to the output folder."""
    return [*plan.given, *(name for job in plan.jobs for name in job.makes)]


def survey_and_plan(config: Config) -> tuple[Survey, Plan]:
    """The survey and the full plan of a configuration (headers only); UserError with all problems."""
    found = survey(config)
    return found, plan_run(config, found)


def plan_run(config: Config, found: Survey) -> Plan:
    """The full plan of a configuration; UserError for a file name that is too long for file systems."""
    chain = chain_of(config)
    axes, given = chain.axes, survey_files(chain)
    plan = make_plan(
        chain.steps,
        found.rows(config.arg_train.runs, axes),
        config,
        root=config.chain.output_path,
        constants=path_constants(config, found),
        given=[artifact for artifact in given if artifact.when(config) and {*artifact.axes} <= {*axes}],
    )
    _require_short_names(plan)
    return plan


def region_base(config: Config) -> str:
    """Name of the region file without suffix: that of the user's file, changed if it is in use, or ``MyRegion``."""
    stem = vector_source(config.chain.region_path).file.stem if config.chain.region_path else "MyRegion"
    return f"{stem}_region" if stem == Path(layout.REFERENCE.path).stem else stem


def path_constants(config: Config, found: Survey) -> dict[str, str | int]:
    """Constants in paths of artifacts. Samples are Parquet files if requested, or if SQLite allows too few columns."""
    too_many = len(found.recipe.names) + MAX_NON_FEATURE_COLUMNS > sqlite_max_columns()
    extension = config.arg_train.learning_samples_extension
    return {
        "region_base": region_base(config),
        "cloud": config.chain.cloud_threshold,
        "samples": "parquet" if too_many else extension,
        "features_map": config.external_features.output_name,
        "outprefix": config.simplification.outprefix,
    }


def _require_short_names(plan: Plan) -> None:
    names = {part for job in plan.jobs for name in job.makes for part in name.split("/")}
    longest = max(names, key=lambda name: len(os.fsencode(name)))
    if len(os.fsencode(longest)) > MAX_NAME_BYTES:
        raise UserError(
            f"The results would contain a file {longest!r}, whose name takes {len(os.fsencode(longest))} bytes; file "
            f"systems allow {MAX_NAME_BYTES}. Shorten the name of the region file, of a region, of a raster, of an "
            "area or of a tile."
        )
