"""The browsable run report while a run goes on: what is told to it, and when its pages are written.

A run must not fail because of its report: what goes wrong here is told once, and the run goes on.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from iota2 import layout
from iota2.config.fields import shown
from iota2.config.schema import Config, describe
from iota2.config.sensors import PATHS, enabled_sensors
from iota2.core.graph import AXES, Artifact
from iota2.core.grid import resolution
from iota2.core.sensor import SensorOptions
from iota2.io.atomic import part_name
from iota2.io.crs import units_per_metre
from iota2.io.environ import open_raster
from iota2.report import site
from iota2.report.site_values import (
    InputsView,
    JobLog,
    JobView,
    OutputView,
    ProductView,
    RunView,
    SeriesView,
    SettingView,
    StepView,
)
from iota2.run.job import JobResult
from iota2.run.ledger import Verdict, relative
from iota2.run.machine import environment
from iota2.run.plan import Job, Plan
from iota2.run.survey import Survey

SECONDS = 3.0
"""The pages that change are written at most this often, and never for more than a twentieth of the time."""
SHARE = 20.0
LOG_BYTES = 60_000
"""Of a log, so much of its end is on the page of a job."""
FOLDER = PurePosixPath(layout.SITE.path).parent
LINES = 16
"""Lines of a tile on which clear dates are counted."""
KEPT = "what it reads turned out as it was"

_log = logging.getLogger(__name__)


class Site:
    """The run report of one run."""

    def __init__(
        self,
        config: Config,
        found: Survey,
        plan: Plan,
        verdicts: Mapping[str, Verdict],
        *,
        tell: Callable[[str], None],
        resume: str,
    ) -> None:
        self._config, self._found, self._plan, self._resume, self._tell = config, found, plan, resume, tell
        self._verdicts = verdicts
        self._folder = plan.root / FOLDER
        self._begun = time.time()
        self._views: dict[str, JobView] = {}
        self._clear: dict[str, float] = {}
        self._next = 0.0
        self._told = False

    def started(self) -> None:
        """The jobs are known: write all pages."""
        with self._harmless():
            (self._folder / "jobs").mkdir(parents=True, exist_ok=True)
            there = set(os.listdir(self._folder / "jobs"))
            self._views = {job.id: _planned(job, self._verdicts[job.id], there) for job in self._plan.jobs}
            self._clear = _known_clear(self._plan.root)
            self._write(site.assets())
            self._write(self._fixed_pages())
            if any(view.state != "fresh" for view in self._views.values()):
                self._write_run(running=True)
            self._tell(f"run report: {self._folder / PurePosixPath(layout.SITE.path).name}")

    def ended(self, result: JobResult) -> None:
        """One job came to its end: write its page, and those of the run when they have not been for a while."""
        with self._harmless():
            job = self._plan.by_id[result.id]
            view = self._views[result.id] = _ended(self._views[result.id], result)
            if result.state in ("done", "failed"):
                self._write({view.page: site.render_job(view, _log_of(job, self._plan.root))})
            if result.state == "done" and "validity" in job.out and job.step.makes["validity"] is layout.VALIDITY:
                self._clear[str(job.key["tile"])] = _clear_dates(job.out.validity)
            if time.monotonic() >= self._next:
                self._write_run(running=True)

    def finished(self) -> None:
        """The run has come to its end, whichever."""
        with self._harmless():
            self._write_run(running=False)
            folders = _outputs(self._plan, self._views)
            self._write({"output_path_content.html": site.render_outputs(folders, str(self._plan.root))})
            self._write({"input_files_content.html": self._inputs_page()})
            _put(self._plan.root / layout.CLEAR.path, json.dumps(self._clear, ensure_ascii=False) + "\n")

    # ------------------------------------------------------------------------------------------------------ inner

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            _log.info("the run report cannot be written", exc_info=True)
            if not self._told:
                self._told = True
                self._tell(f"warning: the run report in {self._folder} cannot be written ({error}); the run goes on")

    def _write_run(self, *, running: bool) -> None:
        begun = time.monotonic()
        self._write(site.render_run(self._run_view(running)))
        ended = time.monotonic()
        self._next = ended + max(SECONDS, SHARE * (ended - begun))

    def _run_view(self, running: bool) -> RunView:
        states = {view.state for view in self._views.values()}
        over = "stopped" if "waiting" in states else "failed" if "failed" in states else "done"
        return RunView(
            title=self._plan.root.name,
            root=str(self._plan.root),
            state="running" if running else over,  # type: ignore[arg-type]
            started=self._begun,
            now=time.time(),
            steps=tuple(StepView(step.name, step.group, step.about) for step in self._plan.steps),
            jobs=tuple(self._views.values()),
            resume=self._resume,
            notes=self._found.remarks,
        )

    def _fixed_pages(self) -> dict[str, str]:
        """Pages that stay as they are until the end of the run, by name."""
        former, settings = self._settings()
        inputs = _inputs(self._config, self._found, self._clear)
        own = self._product_pages()
        return {
            "configuration_file.html": site.render_configuration(
                settings, str(self._config.source), self._config.warnings, former
            ),
            "environment_info.html": site.render_environment(environment(self._plan.root)),
            "input_files_content.html": self._inputs_page(),
            "output_path_content.html": site.render_outputs(
                _outputs(self._plan, self._views), str(self._plan.root)
            ),
            **{
                page: site.render_products(inputs, options.spec.name, str(options.path))
                for page, options in own.items()
            },
        }  # fmt: skip

    def _product_pages(self) -> dict[str, SensorOptions]:
        return {_products_page(options): options for options in enabled_sensors(self._config)}

    def _inputs_page(self) -> str:
        pages = [(page, options.spec.name) for page, options in self._product_pages().items()]
        return site.render_inputs(_inputs(self._config, self._found, self._clear), pages)

    def _settings(self) -> tuple[bool, list[SettingView]]:
        """Whether a run before is known, and every option; the values are kept for the run after."""
        path = self._plan.root / layout.SETTINGS.path
        try:
            former: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            former = {}
        settings = [
            SettingView(
                s.section,
                s.key,
                shown(s.value),
                "" if s.default is ... else shown(s.default),
                former.get(f"{s.section}.{s.key}"),
            )
            for s in describe(self._config)
        ]
        now = {f"{setting.section}.{setting.key}": setting.value for setting in settings}
        _put(path, json.dumps(now, ensure_ascii=False, indent=1) + "\n")
        return bool(former), settings

    def _write(self, pages: Mapping[str, str]) -> None:
        for name, text in pages.items():
            _put(self._folder / name, text)


def _put(path: Path, text: str) -> None:
    """Replace a file as a whole. It is not synced: what a power cut takes, the next run writes again."""
    part = part_name(path)
    part.write_text(text, encoding="utf-8", errors="replace")
    os.replace(part, path)


def page_of(step: str, job: str) -> str:
    """Page of a job, relative to the site; by a digest, as names of jobs hold names of tiles of any length."""
    return f"jobs/{step}-{hashlib.blake2b(os.fsencode(job), digest_size=6).hexdigest()}.html"


def _planned(job: Job, verdict: Verdict, there: set[str]) -> JobView:
    """A job before it runs; one that is up to date keeps its page, time and memory of the run that made it."""
    fresh, record = verdict.state == "fresh", verdict.record
    page = page_of(job.step.name, job.id)
    return JobView(
        id=job.id,
        step=job.step.name,
        task=job.task,
        tile=str(job.key["tile"]) if "tile" in job.key else None,
        key=" · ".join(_place(axis, job.key[axis]) for axis in AXES if axis in job.key),
        needs=job.needs,
        state="fresh" if fresh else "waiting",
        reason=verdict.reason,
        seconds=record.seconds if fresh and record else 0.0,
        peak=record.peak if fresh and record else 0,
        page=page if fresh and PurePosixPath(page).name in there else "",
    )


def _place(axis: str, value: str | int) -> str:
    return str(value) if axis == "tile" else f"{axis} {value}"


def _ended(view: JobView, result: JobResult) -> JobView:
    if result.state == "kept":
        return replace(view, state="fresh", reason=KEPT)
    if result.state == "blocked":
        return replace(view, state="blocked", message=result.message)
    return replace(
        view,
        state=result.state,
        message=result.message,
        seconds=result.seconds,
        peak=result.record.peak if result.record else 0,
        started=result.started,
        worker=result.worker,
        page=page_of(view.step, view.id),
    )


def _log_of(job: Job, root: Path) -> JobLog:
    log = root / "logs" / job.step.name / job.task
    out, err = (log.with_name(f"{log.name}{suffix}") for suffix in (".out", ".err"))
    return JobLog(
        reads=tuple(relative(path, root) for path in job.inputs),
        makes=tuple(relative(path, root) for path in job.outputs),
        out=_tail(out),
        err=_tail(err),
        out_path=relative(out, root),
        err_path=relative(err, root),
    )


def _tail(path: Path) -> str:
    """The end of a log; nothing when there is none, as of a job whose worker died at once."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return text if size <= LOG_BYTES else f"… the last {LOG_BYTES} of {size} bytes\n{text}"


# ---------------------------------------------------------------------------------------------- inputs and outputs


def _products_page(options: SensorOptions) -> str:
    """``s2_path_content.html``, named after the option with the sensor's folder; others by digest of their name."""
    key = PATHS.get(options.spec.section)
    name = key or f"user_sensor_{hashlib.blake2b(options.spec.name.encode(), digest_size=6).hexdigest()}"
    return f"{name}_content.html"


def _inputs(config: Config, found: Survey, clear: Mapping[str, float]) -> InputsView:
    series = []
    for tile, scene in found.scenes.items():
        rows, columns = scene.geobox.shape
        size = f"{columns} × {rows} pixels"
        if scene.geobox.crs is not None and scene.geobox.crs.projected:
            size += f" of {resolution(scene.geobox)[0] / units_per_metre(scene.geobox.crs):g} m"
        dates = sum(len(sensor.acquisitions) for sensor in scene.sensors)
        share = f"{100 * clear[tile] / dates:.0f} %" if tile in clear and dates else ""
        for number, sensor in enumerate(scene.sensors):
            products = tuple(ProductView(one.day, one.product) for one in sensor.acquisitions)
            notes = () if number else found.notes[tile]
            series.append(SeriesView(sensor.spec.name, tile, size, products, notes, found.regions[tile], share))
    chain = config.chain
    sources = [(f"Products of {options.spec.name}", str(options.path)) for options in enabled_sensors(config)]
    sources += [
        (name, str(path))
        for name, path in (
            ("Reference data", chain.ground_truth),
            ("Regions", chain.region_path),
            ("Names of the classes", chain.nomenclature_path),
            ("Colours", chain.color_table),
        )
        if path
    ]
    return InputsView(tuple(series), tuple(sources), found.remarks, len(found.recipe.names))


def _known_clear(root: Path) -> dict[str, float]:
    """Clear dates by tile, of the runs before."""
    try:
        found = json.loads((root / layout.CLEAR.path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(tile): float(value) for tile, value in found.items()}


def _clear_dates(path: Path) -> float:
    """Number of clear dates of a pixel, on average of some lines, evenly spread: cheap for the main process."""
    with open_raster(path) as source:
        lines = sorted({round(k * (source.height - 1) / (LINES - 1)) for k in range(LINES)})
        means = [source.read(1, window=((line, line + 1), (0, source.width))).mean() for line in lines]
    return round(float(sum(means) / len(means)), 3)


def _outputs(plan: Plan, views: Mapping[str, JobView]) -> list[tuple[str, str, Sequence[OutputView]]]:
    """Folders in the order of their names, the products first: each with its sentence and its kinds of files."""
    files: dict[tuple[str, str], list[tuple[str, bool]]] = defaultdict(list)
    for job in plan.jobs:
        made = views[job.id].state in ("done", "fresh")
        for name, bound in job.out.bound.items():
            files[job.step.name, name] += [(relative(path, plan.root), made) for path in bound.values()]
    kinds = [
        OutputView(artifact.path, artifact.about, step.name, tuple(files[step.name, name]))
        for step in plan.steps
        for name, artifact in step.makes.items()
        if (step.name, name) in files
    ]
    by_steps = {kind.pattern for kind in kinds} | {a.path for step in plan.steps for a in step.makes.values()}
    kinds += [
        OutputView(artifact.path, artifact.about, "the run")
        for artifact in vars(layout).values()
        if isinstance(artifact, Artifact) and artifact.path not in by_steps
    ]
    folders: dict[str, list[OutputView]] = defaultdict(list)
    for kind in kinds:
        folders[_home(kind.pattern)].append(kind)
    return [
        (folder, layout.FOLDERS.get(folder, ""), folders[folder])
        for folder in sorted(folders, key=lambda folder: (folder != "final", folder == layout.MARK, folder))
    ]


def _home(pattern: str) -> str:
    """The folder of a file, as ``layout.FOLDERS`` names it; empty for the top of the output folder."""
    folders = PurePosixPath(pattern).parents
    return next((str(folder) for folder in folders if str(folder) in (*layout.FOLDERS, layout.MARK)), "")
