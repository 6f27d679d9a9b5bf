"""Updates of the HTML run report while a run is in progress.

An error of the report does not end the run: it is reported once, and the run continues.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.sensor import SensorOptions
from iota2.io.tables.clear_dates import DateCoverage
from iota2.report.run import pages as run_pages
from iota2.report.run.values import JobView
from iota2.runs.plan.jobs import Plan
from iota2.runs.progress.environment import environment
from iota2.runs.progress.input_views import (
    clear_dates_of,
    inputs_view,
    known_alignments,
    known_clear_dates,
    products_page,
    products_page_title,
)
from iota2.runs.progress.settings import setting_views
from iota2.runs.progress.views import (
    INTERRUPTED_MESSAGE,
    ended_view,
    job_log,
    outputs_view,
    page_of,
    planned_view,
    run_view,
    running_view,
)
from iota2.runs.records.state import put_file
from iota2.runs.records.verdicts import Verdict
from iota2.runs.survey.survey import Survey
from iota2.runs.workers.heartbeat import read_heartbeats
from iota2.runs.workers.job import SUCCESSFUL, JobResult

MIN_INTERVAL_SECONDS = 3.0
"""Minimum time between two updates of the changing pages."""
MIN_INTERVAL_FACTOR = 20.0
"""Minimum time between two updates, as a multiple of the time that writing takes."""
IDLE_SECONDS = 5.0
"""Additional time between updates while no job ends."""
REPORT_FOLDER = PurePosixPath(layout.SITE.path).parent
TIMELINE_PAGE = PurePosixPath(layout.SITE_TIMELINE.path).name

_log = logging.getLogger(__name__)


class ReportListener:
    """Observer of one run that writes the pages of its report."""

    def __init__(
        self,
        config: Config,
        found: Survey,
        plan: Plan,
        verdicts: Mapping[str, Verdict],
        *,
        say: Callable[[str], None],
        resume: str,
    ) -> None:
        self._config, self._found, self._plan, self._resume, self._say = config, found, plan, resume, say
        self._verdicts = verdicts
        self._folder = plan.root / REPORT_FOLDER
        self._started = time.time()
        self._views: dict[str, JobView] = {}
        self._clear: dict[str, Mapping[tuple[str, str], DateCoverage]] = {}
        self._clear_shown = 0
        self._running_shown: set[str] = set()
        self._next = 0.0
        self._warned = False
        self._ended, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._update_periodically, name="iota2 run report", daemon=True)

    def started(self) -> None:
        """Write all pages, now that the jobs are known."""
        with self._errors_reported():
            (self._folder / "jobs").mkdir(parents=True, exist_ok=True)
            existing_pages = set(os.listdir(self._folder / "jobs"))
            self._views = {job.id: planned_view(job, self._verdicts[job.id], existing_pages) for job in self._plan.jobs}
            self._clear = known_clear_dates(self._plan, self._views, self._found.scenes)
            self._write(run_pages.assets())
            self._write(self._fixed_pages())
            if any(view.state != "fresh" for view in self._views.values()):
                self._write_run(self._running(), running=True)
                self._thread.start()
            self._say(f"run report: {self._folder / PurePosixPath(layout.SITE.path).name}")

    def ended(self, result: JobResult) -> None:
        """Write the page of a job that has ended, and those of the run if the last update is long enough ago."""
        with self._lock, self._errors_reported():
            job = self._plan.by_id[result.id]
            view = self._views[result.id] = ended_view(self._views[result.id], result)
            if result.state in ("done", "failed"):
                self._write({view.page: run_pages.render_job(view, job_log(job, self._plan.root))})
            if result.state in SUCCESSFUL and layout.CLEAR_DATES in job.step.makes.values():
                self._clear |= clear_dates_of(self._plan.root, str(job.key["tile"]))
            if time.monotonic() >= self._next:
                self._write_run(self._running(), running=True)

    def finished(self) -> None:
        """Write the final pages of a run that has ended in any way."""
        self._ended.set()
        with self._lock, self._errors_reported():
            self._mark_interrupted()
            self._write_run(self._views, running=False)
            folders = outputs_view(self._plan, self._views)
            self._write({"output_path_content.html": run_pages.render_outputs(folders, str(self._plan.root))})

    def _update_periodically(self) -> None:
        """Update the changing pages, also while no job ends, until the end of the run."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # the main thread handles them
        while not self._ended.wait(MIN_INTERVAL_SECONDS):
            with self._lock, self._errors_reported():
                if not self._ended.is_set() and time.monotonic() >= self._next + IDLE_SECONDS:
                    self._write_run(self._running(), running=True)

    @contextmanager
    def _errors_reported(self) -> Iterator[None]:
        """Report the first error of the body, and suppress all."""
        try:
            yield
        except Exception as error:
            _log.info("the run report cannot be written", exc_info=True)
            if not self._warned:
                self._warned = True
                self._say(f"warning: the run report in {self._folder} cannot be written ({error}); the run continues")

    def _running(self) -> dict[str, JobView]:
        """The current views of all jobs; jobs with a heartbeat are running, and their pages are written."""
        views = dict(self._views)
        for id_, beat in read_heartbeats(self._plan.root).items():
            if id_ in views and views[id_].state == "waiting":
                view = views[id_] = running_view(views[id_], beat)
                log = job_log(self._plan.by_id[id_], self._plan.root)
                self._write({view.page: run_pages.render_job(view, log, live=True)})
                self._running_shown.add(id_)
        return views

    def _mark_interrupted(self) -> None:
        """Mark jobs that were running when the run ended, also on their pages."""
        beats = read_heartbeats(self._plan.root)
        for id_ in sorted(self._running_shown):
            view, job = self._views[id_], self._plan.by_id[id_]
            if view.state == "waiting":
                peak = beats[id_].peak if id_ in beats else 0
                view = self._views[id_] = replace(
                    view, message=INTERRUPTED_MESSAGE, peak=peak, page=page_of(view.step, id_)
                )
                self._write({view.page: run_pages.render_job(view, job_log(job, self._plan.root))})

    def _write_run(self, views: Mapping[str, JobView], *, running: bool) -> None:
        begun = time.monotonic()
        view = run_view(self._plan, self._found, views, running=running, begun=self._started, resume=self._resume)
        pages = run_pages.render_run(view)
        if not running and all(view.state == "fresh" for view in self._views.values()) and self._worked_before():
            del pages[TIMELINE_PAGE]  # the page shows the last run that executed jobs
        self._write(pages)
        if len(self._clear) > self._clear_shown or not running:
            self._clear_shown = len(self._clear)
            self._write(self._inputs_pages())
        ended = time.monotonic()
        self._next = ended + max(MIN_INTERVAL_SECONDS, MIN_INTERVAL_FACTOR * (ended - begun))

    def _worked_before(self) -> bool:
        return not any(view.started for view in self._views.values()) and (self._folder / TIMELINE_PAGE).exists()

    def _fixed_pages(self) -> dict[str, str]:
        """Pages that do not change before the end of the run, by name."""
        former, settings = setting_views(self._config, self._plan.root)
        return {
            "configuration_file.html": run_pages.render_configuration(
                settings, str(self._config.source), self._config.warnings, former
            ),
            "environment_info.html": run_pages.render_environment(environment(self._plan.root)),
            "output_path_content.html": run_pages.render_outputs(
                outputs_view(self._plan, self._views), str(self._plan.root)
            ),
            **self._inputs_pages(),
        }  # fmt: skip

    def _inputs_pages(self) -> dict[str, str]:
        """The page of the inputs, and the page of each sensor's products."""
        aligned = known_alignments(self._config, self._plan.root, self._clear)
        inputs = inputs_view(self._config, self._found, self._clear, aligned)
        by_page: dict[str, list[SensorOptions]] = defaultdict(list)
        for options in self._found.sensors:
            by_page[products_page(options)].append(options)  # the series of Sentinel-1 share a page
        return {
            "input_files_content.html": run_pages.render_inputs(
                inputs, [(page, products_page_title(sensors)) for page, sensors in by_page.items()]
            ),
            **{
                page: run_pages.render_products(inputs, [one.spec.name for one in sensors], str(sensors[0].source))
                for page, sensors in by_page.items()
            },
        }  # fmt: skip

    def _write(self, pages: Mapping[str, str]) -> None:
        for name, text in pages.items():
            put_file(self._folder / name, text)
