"""Views for the pages of a run, its jobs and outputs, from plan, verdicts, results and heartbeats."""

from __future__ import annotations

import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from iota2 import layout
from iota2.core.files import require_regular
from iota2.core.graph import AXES
from iota2.core.grid import part_rows
from iota2.core.remarks import texts_of
from iota2.report.run.values import (
    Hole,
    JobLog,
    JobView,
    OutputView,
    ResultPage,
    RunView,
    StepView,
)
from iota2.runs.plan.jobs import Job, Plan
from iota2.runs.records.output import RUN_FILES
from iota2.runs.records.stamps import relative
from iota2.runs.records.verdicts import Verdict
from iota2.runs.survey.survey import Survey
from iota2.runs.workers.heartbeat import Heartbeat
from iota2.runs.workers.job import JobResult

MAX_LOG_BYTES = 60_000
"""Maximum length of the end of a log on the page of a job."""
KEPT_REASON = "its inputs are unchanged"
INTERRUPTED_MESSAGE = "The job was running when the run ended."


def run_view(
    plan: Plan, found: Survey, views: Mapping[str, JobView], *, running: bool, begun: float, resume: str
) -> RunView:
    """The current state of the run; ``begun``: seconds since the epoch, ``resume``: command that resumes the run."""
    states = {view.state for view in views.values()}
    over: Literal["stopped", "failed", "done"]
    over = "stopped" if "waiting" in states else "failed" if "failed" in states else "done"
    return RunView(
        title=plan.root.name,
        root=str(plan.root),
        state="running" if running else over,
        started=begun,
        now=time.time(),
        steps=tuple(StepView(step.name, step.group, step.about) for step in plan.steps),
        jobs=tuple(views.values()),
        resume=resume,
        notes=texts_of(found.remarks),
        holes=tuple(_holes(plan, found, views)),
        unmade=() if running else tuple(_unmade(plan, views)),
        pages=tuple(_result_pages(plan, views)),
        products=tuple(_products(plan, views)),
    )


def _holes(plan: Plan, found: Survey, views: Mapping[str, JobView]) -> Iterator[Hole]:
    """Areas whose jobs failed."""
    for job in plan.jobs:
        if views[job.id].state == "failed" and job.step.leaves_gap and "tile" in job.key:
            tile = str(job.key["tile"])
            area = f"Tile {tile}"
            if "part" in job.key:
                height = found.scenes[tile].geobox.shape[0]
                first, end = part_rows(int(job.key["part"]), height)
                area += f", rows {first} to {end - 1} of {height} (part {job.key['part']}; the first row is 0)"
            yield Hole(area, views[job.id])


def _unmade(plan: Plan, views: Mapping[str, JobView]) -> Iterator[tuple[str, bool]]:
    """Products of jobs that failed or did not run, each with whether an older file exists."""
    for job in plan.jobs:
        if views[job.id].state not in ("done", "fresh"):
            for name in job.products:
                yield name, (plan.root / name).exists()


def _products(plan: Plan, views: Mapping[str, JobView]) -> Iterator[tuple[str, str]]:
    """Products that are up to date, with their descriptions, by step; without the pages."""
    for job in plan.jobs:
        for name in job.out.bound if views[job.id].state in ("done", "fresh") else ():
            artifact = job.step.makes[name]
            if artifact.role == "product" and not artifact.is_page:
                yield from ((path, artifact.about) for path in job.out.names(name))


def _result_pages(plan: Plan, views: Mapping[str, JobView]) -> Iterator[ResultPage]:
    """Pages that steps of the run make, and those of earlier runs that no step of this run makes."""
    planned = set()
    for job in plan.jobs:
        for name in job.out.bound:
            artifact = job.step.makes[name]
            for path in job.out.names(name) if artifact.role == "product" and artifact.is_page else ():
                planned.add(path)
                made = views[job.id].state in ("done", "fresh")
                exists = (plan.root / path).exists()
                yield ResultPage(path, artifact.about, "none" if not exists else "made" if made else "old")
    for file in sorted((plan.root / "final").glob("*.html")):
        path = relative(file, plan.root)
        about = next((one.about for one in layout.products() if one.is_page and one.matches(path)), None)
        if about and path not in planned:
            yield ResultPage(path, about, "old")


def page_of(step: str, job: str) -> str:
    """Page of a job, relative to the run report; named by a digest, because tile names can have any length."""
    return f"jobs/{step}-{hashlib.blake2b(os.fsencode(job), digest_size=6).hexdigest()}.html"


def planned_view(job: Job, verdict: Verdict, existing_pages: set[str]) -> JobView:
    """View of a job before the run; an up-to-date job has page, time and memory of the run that made it."""
    fresh, record = verdict.state == "fresh", verdict.record
    page = page_of(job.step.name, job.id)
    return JobView(
        id=job.id,
        step=job.step.name,
        task=job.task,
        tile=str(job.key["tile"]) if "tile" in job.key else None,
        key=" · ".join(_axis_text(axis, job.key[axis]) for axis in AXES if job.key.get(axis, "") != ""),
        needs=job.needs,
        state="fresh" if fresh else "waiting",
        reason=verdict.reason,
        seconds=record.seconds if fresh and record else 0.0,
        peak=record.peak if fresh and record else 0,
        page=page if fresh and PurePosixPath(page).name in existing_pages else "",
    )


def _axis_text(axis: str, value: str | int) -> str:
    return str(value) if axis == "tile" else f"{axis} {value}"


def ended_view(view: JobView, result: JobResult) -> JobView:
    """View of a job that has ended, or that is blocked."""
    if result.state == "kept":
        return replace(view, state="fresh", reason=KEPT_REASON)
    if result.state == "blocked":
        return replace(view, state="blocked", message=result.message)
    return replace(
        view,
        state=result.state,
        message=result.message,
        seconds=result.seconds,
        peak=result.peak,
        started=result.started,
        worker=result.worker,
        page=page_of(view.step, view.id),
    )


def running_view(view: JobView, beat: Heartbeat) -> JobView:
    """View of a running job, with time and memory of its heartbeat."""
    return replace(
        view,
        state="running",
        seconds=max(beat.seen, time.time()) - beat.started,
        peak=beat.peak,
        started=beat.started,
        worker=beat.worker,
        page=page_of(view.step, view.id),
    )


def job_log(job: Job, root: Path) -> JobLog:
    """Inputs and outputs of a job, and the ends of its logs."""
    log = root / "logs" / job.step.name / job.task
    out, err = (log.with_name(f"{log.name}{suffix}") for suffix in (".out", ".err"))
    return JobLog(
        reads=job.reads,
        makes=job.makes,
        out=_tail(out),
        err=_tail(err),
        out_path=relative(out, root),
        err_path=relative(err, root),
    )


def _tail(path: Path) -> str:
    """The end of a log; empty if it does not exist, for example if the worker died at once."""
    try:
        require_regular(path)
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MAX_LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return text if size <= MAX_LOG_BYTES else f"… the last {MAX_LOG_BYTES} of {size} bytes\n{text}"


def outputs_view(plan: Plan, views: Mapping[str, JobView]) -> list[tuple[str, str, Sequence[OutputView]]]:
    """Folders sorted by name, products first, each with its description and its kinds of files."""
    files: dict[tuple[str, str], list[tuple[str, bool]]] = defaultdict(list)
    for job in plan.jobs:
        made = views[job.id].state in ("done", "fresh")
        for name in job.out.bound:
            files[job.step.name, name] += [(path, made) for path in job.out.names(name)]
    kinds = [
        OutputView(artifact.path, artifact.about, step.name, tuple(files[step.name, name]))
        for step in plan.steps
        for name, artifact in step.makes.items()
        if (step.name, name) in files
    ]
    kinds += [
        OutputView(artifact.path, artifact.about, "the run")
        for artifact in layout.artifacts()
        if artifact.path in RUN_FILES
    ]
    folders: dict[str, list[OutputView]] = defaultdict(list)
    for kind in kinds:
        folders[_folder_of(kind.pattern)].append(kind)
    return [
        (folder, layout.FOLDERS.get(folder, ""), folders[folder])
        for folder in sorted(folders, key=lambda folder: (folder != "final", folder == layout.MARK, folder))
    ]


def _folder_of(pattern: str) -> str:
    """The folder of a file, as in ``layout.FOLDERS``; empty for the output folder itself."""
    folders = PurePosixPath(pattern).parents
    return next((str(folder) for folder in folders if str(folder) in (*layout.FOLDERS, layout.MARK)), "")
