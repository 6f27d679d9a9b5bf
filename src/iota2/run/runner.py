"""A whole run, from a configuration to products: survey, plan, execute, and what is told on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from iota2 import layout
from iota2.chain import CLASSIFICATION, SURVEY
from iota2.config.options_chain import GROUPS
from iota2.config.schema import Config
from iota2.core.graph import Resources, Step
from iota2.errors import JobsFailed, UserError
from iota2.io.atomic import write_text
from iota2.io.vectors import sqlite_max_columns
from iota2.run.execute import Debug, Engine, execute, local_cluster
from iota2.run.job import JobResult
from iota2.run.output import prepare
from iota2.run.plan import Plan, make_plan
from iota2.run.survey import Survey, survey, write_survey

LONGEST_NAME = 255
"""Bytes of a file's name that every usual file system holds."""
MINE = 16
"""Columns of sample tables that are not features, at most."""


@dataclass(frozen=True)
class Options:
    """How a run is asked for on the command line; None leaves the configuration's word."""

    first_step: str | None = None
    last_step: str | None = None
    starting: int | None = None
    """Number of the first step, from 1, as the summary prints them."""
    ending: int | None = None
    workers: int | None = None
    """Local worker processes; 0 runs everything in this process."""
    use: Resources = field(default_factory=Resources)


class Watcher:
    """Is told of a run as it goes on. The base class keeps quiet."""

    def summary(self, steps: Sequence[tuple[Step, bool]], found: Survey) -> None:
        """Before anything runs: the active steps, with those to be run marked."""

    def started(self, plan: Plan) -> None:
        """The jobs are known."""

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
    start, end = options.starting or 1, options.ending or len(steps)
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
    return found, plan_run(config, found)


def run(config: Config, options: Options, watcher: Watcher) -> dict[str, JobResult]:
    """Run the chain. Raises JobsFailed when jobs failed for good."""
    found = survey(config)
    plan = plan_run(config, found)
    chosen = chosen_steps(plan.steps, config, options)
    watcher.summary(chosen, found)
    wanted = [step.name for step, chosen_ in chosen if chosen_]
    from_start = wanted[0] == plan.steps[0].name
    prepare(plan.root, remove=config.chain.remove_output_path and from_start, regions=region_base(config))
    write_survey(found, plan.root)
    plan = plan.restricted(wanted)
    watcher.started(plan)
    with engine(options.workers) as place:
        results = execute(plan, place, watcher.ended, options.use, config.chain.logger_level)
    write_status(plan, results)
    if any(result.state != "done" for result in results.values()):
        raise JobsFailed(failure_text(plan, results))
    return results


@contextmanager
def engine(workers: int | None) -> Iterator[Engine]:
    """The engine for a number of local workers: as many as cores by default, none for this process."""
    if workers == 0:
        yield Debug()
        return
    with local_cluster(workers or os.cpu_count() or 1) as cluster:
        yield cluster


def write_status(plan: Plan, results: Mapping[str, JobResult]) -> None:
    """State of every job of this run, one per line."""
    lines = [f"{results[job.id].state:8} {results[job.id].seconds:9.2f} s  {job.id}" for job in plan.jobs]
    write_text(plan.root / layout.STATUS.path, "\n".join(lines) + "\n")


def failure_text(plan: Plan, results: Mapping[str, JobResult]) -> str:
    """What failed, where to read why, what was not done because of it."""
    failed = [job for job in plan.jobs if results[job.id].state == "failed"]
    blocked = [job for job in plan.jobs if results[job.id].state == "blocked"]
    lines = [f"{len(failed)} of {len(plan.jobs)} jobs failed; {len(blocked)} that need them were not run."]
    for job in failed[:10]:
        lines += [f"  {job.id}: {results[job.id].message}", f"    log: {plan.root / 'logs' / job.id}.err"]
    if len(failed) > 10:
        lines.append(f"  … and {len(failed) - 10} more: {plan.root / layout.STATUS.path}")
    return "\n".join(lines)


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
