"""A complete run: survey, plan, execution, reports to the user."""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from iota2 import layout
from iota2.chains import chain_of
from iota2.config.options.schema import Config
from iota2.core.graph import Artifact, Resources, Step
from iota2.core.remarks import Remark, texts_of
from iota2.core.words import counted, printable
from iota2.errors import JobsFailed
from iota2.io.files.atomic import remove_leftovers, write_text
from iota2.io.tables.alignments import unaligned_remarks
from iota2.io.tables.remark_lists import read_remarks
from iota2.runs.options import Options, resume_command, step_notes, steps_named
from iota2.runs.plan.jobs import Job, Plan
from iota2.runs.preview import RunPreview, fit_and_forecast, planned_outputs, preview_plan, survey_and_plan, verdicts_of
from iota2.runs.progress.empty_bands import empty_band_lines
from iota2.runs.progress.listener import ReportListener
from iota2.runs.progress.reasons import Reasons, keep_parameters
from iota2.runs.progress.recorder import RunRecorder
from iota2.runs.progress.sample_losses import sample_lines
from iota2.runs.progress.state_notes import remove_damaged_state, state_notes
from iota2.runs.progress.status import VERDICT_TEXTS, RunState, Status, note_start
from iota2.runs.records.damage import known_damage
from iota2.runs.records.lock import locked
from iota2.runs.records.output import claim, empty, left_over, prepare
from iota2.runs.records.records import Ledger
from iota2.runs.records.state import remove_obstacle
from iota2.runs.records.verdicts import Verdict, assess
from iota2.runs.survey.forecast import (
    Forecast,
    full_disk_message,
)
from iota2.runs.survey.listing import digests, write_survey
from iota2.runs.watcher import Watcher
from iota2.runs.workers.engine import configured_resources, engine, retries
from iota2.runs.workers.execute import DebugEngine, Engine, execute
from iota2.runs.workers.heartbeat import clear_heartbeats
from iota2.runs.workers.job import SUCCESSFUL, JobResult
from iota2.runs.workers.resources import ResourceSettings

MAX_SHOWN_FAILURES = 10
"""Maximum number of failed jobs in a message."""
MAX_SHOWN_LEFT_OVER = 5
"""Maximum number of files of earlier settings in a message."""

LEFT_OVER = "made with earlier settings; the present ones do not make them again. Delete what you no longer need"
"""Reason why products of earlier settings are out of date."""


def run(config: Config, options: Options, watcher: Watcher) -> dict[str, JobResult]:
    """Run all stale jobs. Raises JobsFailed if jobs fail after all retries.

    With ``skip_damaged_products``, inputs found damaged during the run are excluded for all jobs of their tile, and the
    run is repeated. Each repetition excludes at least one more product, so the loop ends.
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
            watcher.say(f"{damage.tile}: {damage.product} is damaged and will be ignored ({damage.reason})")
        options = replace(options, restart=True, force=())


def _run_once(config: Config, options: Options, watcher: Watcher) -> dict[str, JobResult]:
    """Run all stale jobs once; inputs known to be damaged are ignored.

    All checks precede the first change of earlier results: inputs, steps, memory, disk, availability of workers.
    """
    resources = configured_resources(config, options)
    for remark in resources.remarks:
        watcher.say(f"note: {remark}")
    survey, full_plan = survey_and_plan(config)
    for note in step_notes(full_plan.steps, config, options):
        watcher.say(f"note: {note}")
    claim(full_plan.root)
    with locked(full_plan.root) as message, _temporary_files_removed(full_plan.root):
        for text in (*([message] if message else ()), *state_notes(full_plan.root)):
            watcher.say(text)
        preview = preview_plan(config, options, survey, full_plan, renew=True)
        watcher.summary(preview.to_run, survey)
        for warning in _skipped_but_stale(full_plan, preview.steps, preview.texts):
            watcher.say(warning)
        fitted, forecast = fit_and_forecast(config, options, watcher, preview, resources)
        resume = resume_command(config, options)
        all_fresh = all(verdict.state == "fresh" for verdict in preview.verdicts.values())
        with (
            full_disk_message(full_plan.root, forecast.needed_disk if forecast else 0, resume),
            nullcontext(DebugEngine()) if all_fresh else engine(config, fitted, resources) as active_engine,
        ):
            if preview.removed is not None:
                preview = _emptied(config, preview, options, watcher)
            planned = planned_outputs(full_plan)
            prepare(full_plan.root, planned, chain_of(config).folders, steps=full_plan.numbers, remove=False)
            if left := left_over(full_plan.root, planned):
                watcher.say(_left_over_note(full_plan.root, left))
            write_survey(preview.texts)
            results = _run_jobs(
                config,
                options,
                watcher,
                preview,
                active_engine=active_engine,
                use=fitted.use,
                resources=resources,
                forecast=forecast,
            )
            stale = _not_up_to_date(full_plan, preview)
            current = frozenset(name for job in full_plan.jobs if job.id not in stale for name in job.makes)
            for line in (*sample_lines(config, current), *empty_band_lines(config, current)):
                watcher.say(line)
            for note in texts_of(closing_remarks(config, current)):
                watcher.say(f"note: {note}")
            watcher.outdated(_outdated(full_plan, stale) | _left_over_products(config, full_plan))
            return results


def _not_up_to_date(full_plan: Plan, preview: RunPreview) -> dict[str, Verdict]:
    """Verdicts on jobs that a successful run left undone, because their steps or earlier ones were not selected."""
    if all(chosen for _, chosen in preview.steps):
        return {}
    verdicts = assess(
        full_plan,
        Ledger(full_plan.root),
        digests(preview.texts, full_plan.root),
        descriptions=Reasons(full_plan.root, preview.texts),
    )
    return {id_: verdict for id_, verdict in verdicts.items() if verdict.state != "fresh"}


def _outdated(full_plan: Plan, stale: Mapping[str, Verdict]) -> dict[Path, str]:
    """Existing products of ``stale`` jobs and their styles, with reasons."""
    return {
        full_plan.root / name: _outdated_reason(job, full_plan, stale)
        for job in full_plan.jobs
        if job.id in stale
        for name in layout.with_styles(job.products, job.makes)
        if (full_plan.root / name).exists()
    }


def _left_over_products(config: Config, full_plan: Plan) -> dict[Path, str]:
    """Existing products of earlier settings that the run does not make, and their styles, with the reason."""
    left, others = left_over(full_plan.root, planned_outputs(full_plan)), chain_of(config).products
    found = [name for name in left if layout.product_of(name, others)]
    return {full_plan.root / name: LEFT_OVER for name in layout.with_styles(found, left)}


def _outdated_reason(job: Job, plan: Plan, stale: Mapping[str, Verdict]) -> str:
    """Why a job is not up to date: the step of the first stale upstream job or of the job itself, with the reason."""
    while waited := [need for need in job.needs if need in stale]:
        job = plan.by_id[waited[0]]
    return f"{job.step.name} has to run ({stale[job.id].reason})"


def _emptied(config: Config, preview: RunPreview, options: Options, watcher: Watcher) -> RunPreview:
    """Empty the output folder; returns the preview with the new verdicts."""
    root, removed = preview.plan.root, preview.removed or ()
    if removed:
        files = counted(len(removed), "file")
        watcher.say(f"{root}: removing {files} of earlier runs, as requested by chain.remove_output_path")
    empty(root, removed)
    return replace(preview, verdicts=verdicts_of(config, preview.plan, preview.texts, options), removed=None)


@contextmanager
def _temporary_files_removed(root: Path) -> Iterator[None]:
    """Remove temporary files of killed processes before and after the body."""
    remove_leftovers(root)
    try:
        yield
    finally:
        remove_leftovers(root)


def _run_jobs(
    config: Config,
    options: Options,
    watcher: Watcher,
    preview: RunPreview,
    *,
    active_engine: Engine,
    use: Resources,
    resources: ResourceSettings,
    forecast: Forecast | None,
) -> dict[str, JobResult]:
    """Run the jobs that are not fresh, and record the successful ones."""
    plan, verdicts = preview.plan, preview.verdicts
    ledger, status = Ledger(plan.root), Status(plan, verdicts)
    _write_state(plan, verdicts, ledger)
    note_start(plan.root, preview.left_out)
    status.write()
    watcher.started(plan, verdicts, forecast)
    resume = resume_command(config, options)
    report = ReportListener(config, preview.survey, plan, verdicts, say=watcher.say, resume=resume)
    report.started()
    recorder = RunRecorder(plan.root, ledger, status, skip_damaged=config.chain.skip_damaged_products)

    def ended(result: JobResult) -> None:
        recorder.ended(result)
        watcher.ended(result)
        report.ended(result)

    run_state: RunState = "stopped"
    try:
        level = config.chain.logger_level
        results = execute(
            plan,
            verdicts,
            active_engine,
            ended,
            use,
            step_resources=resources.steps,
            fixed_threads=resources.fixed_threads,
            retry=retries(config),
            level=level,
        )
        run_state = "done" if all(result.state in SUCCESSFUL for result in results.values()) else "failed"
    finally:
        recorder.close(run_state)
        report.finished()
    unsuccessful = {id_.split("/")[0] for id_, result in results.items() if result.state not in SUCCESSFUL}
    if unsuccessful:
        again = replace(
            options,
            force=tuple(
                step
                for step in options.force
                if unsuccessful.intersection(steps_named(chain_of(config), "--force", step))
            ),
        )
        raise JobsFailed(failure_text(plan, results, resume_command(config, again)))
    recorder.require_written()
    return results


def _write_state(plan: Plan, verdicts: Mapping[str, Verdict], ledger: Ledger) -> None:
    """Update records, reasons and parameters before the first job; remove damaged state files and heartbeats."""
    ledger.compact()
    remove_damaged_state(plan.root)
    clear_heartbeats(plan.root)
    lines = (
        f"{VERDICT_TEXTS[verdict.state]:10}  {id_}" + (f": {verdict.reason}" if verdict.state != "fresh" else "")
        for id_, verdict in verdicts.items()
    )
    remove_obstacle(plan.root / layout.REASONS.path)
    write_text(plan.root / layout.REASONS.path, printable("\n".join(lines)))
    keep_parameters(plan, verdicts, ledger)


def _skipped_but_stale(plan: Plan, chosen: Sequence[tuple[Step, bool]], texts: Mapping[Path, str]) -> list[str]:
    """Warnings on steps before the first selected one that are out of date."""
    first = next(k for k, (_, wanted) in enumerate(chosen) if wanted)
    before = {step.name for step, _ in chosen[:first]}
    if not before:
        return []
    verdicts = assess(plan, Ledger(plan.root), digests(texts, plan.root), descriptions=Reasons(plan.root, texts))
    stale = {
        job.step.name: verdicts[job.id].reason
        for job in plan.jobs
        if job.step.name in before and verdicts[job.id].state == "stale"
    }
    return [f"warning: {name} is out of date ({reason}) but not selected" for name, reason in stale.items()]


def _left_over_note(root: Path, left: Sequence[str]) -> str:
    """A note on files of earlier settings, which could be mistaken for results of this run."""
    shown = ", ".join(left[:MAX_SHOWN_LEFT_OVER]) + (", …" if len(left) > MAX_SHOWN_LEFT_OVER else "")
    were, are = ("was", "is") if len(left) == 1 else ("were", "are")
    return (
        f"note: {counted(len(left), 'file')} in {root} {were} made with earlier settings and {are} not changed: {shown}"
    )


def failure_text(plan: Plan, results: Mapping[str, JobResult], resume: str) -> str:
    """Message on failed jobs: errors, logs, number of blocked jobs, outdated products, command to resume."""
    failed = [job for job in plan.jobs if job.id in results and results[job.id].state == "failed"]
    blocked = sum(result.state == "blocked" for result in results.values())
    were = "was" if blocked == 1 else "were"
    lines = [
        f"{len(failed)} of {counted(len(results), 'job')} failed; {counted(blocked, 'dependent job')} {were} not run."
    ]
    for job in failed[:MAX_SHOWN_FAILURES]:
        lines += [f"  {job.id}: {results[job.id].message}", f"    log: {plan.root / 'logs' / job.id}.err"]
    if len(failed) > MAX_SHOWN_FAILURES:
        lines.append(f"  … and {len(failed) - MAX_SHOWN_FAILURES} more: {plan.root / layout.STATUS.path}")
    unmade = (
        name
        for job in plan.jobs
        if job.id in results and results[job.id].state not in SUCCESSFUL
        for name in layout.with_styles(job.products, job.makes)
    )
    old = sorted(name for name in unmade if (plan.root / name).exists())
    if old:
        lines.append(f"OUT OF DATE, from an earlier run, in {plan.root}: {', '.join(old)}")
    lines.append(f"Completed jobs are kept. Fix the problem, then run: {resume}")
    return "\n".join(lines)


def products(config: Config) -> list[tuple[Path, str]]:
    """Existing products with one sentence each: first the built-in ones, in the order of the layout."""
    root, made = config.chain.output_path, chain_of(config).products
    known = [artifact for artifact in layout.products() if artifact in made]
    requested = [artifact for artifact in dict.fromkeys((*known, *made)) if artifact.when(config)]
    values: dict[str, Sequence[str | int]] = {
        "seed": range(config.arg_train.runs),
        "features_map": (config.external_features.output_name,),
        "outprefix": (config.simplification.outprefix,),
    }
    if config.chain.list_tile:  # without it, the tiles are those of a grid
        values["tile"] = config.chain.list_tile
    found = [(path, artifact.about) for artifact in requested for path in _paths(root, artifact, values)]
    return [(path, about) for path, about in dict.fromkeys(found) if path.exists()]


def _paths(root: Path, artifact: Artifact, values: Mapping[str, Sequence[str | int]]) -> list[Path]:
    """The paths of a product for ``values`` of some axes and constants, and for all others that exist on disk."""
    axes = [axis for axis in values if f"{{{axis}}}" in artifact.path]
    paths: list[Path] = []
    for chosen in itertools.product(*(values[axis] for axis in axes)):
        path = artifact.path
        for axis, value in zip(axes, chosen, strict=True):
            path = path.replace(f"{{{axis}}}", glob.escape(str(value)))
        paths += sorted(root.glob(re.sub(r"{\w+}", "*", path)))
    return paths


def closing_remarks(config: Config, current: Set[str]) -> list[Remark]:
    """Remarks on a successful run: doubtful values, dates that could not be aligned.

    ``current``: outputs of the run that are up to date, relative to the output folder; others are not read.
    """
    root, tiles = config.chain.output_path, config.chain.list_tile
    values: list[Remark] = []
    for name in (layout.VALUE_NOTES.path.format(tile=tile) for tile in tiles):
        # another version may have run the step
        with suppress(FileNotFoundError, TypeError, ValueError):
            values += read_remarks(root / name) if name in current else []
    tables = {tile: name for tile in tiles if (name := layout.SHIFTS_TABLE.path.format(tile=tile)) in current}
    return [*values, *(one for tile, name in tables.items() for one in unaligned_remarks(root / name, tile))]
