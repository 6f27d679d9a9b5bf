"""The browsable run report while a run goes on: what is told to it, and when its pages are written.

A run must not fail because of its report: what goes wrong here is told once, and the run goes on.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Literal

from iota2 import layout
from iota2.config.options.fields import shown
from iota2.config.options.schema import Config, describe
from iota2.config.sensors import path_key
from iota2.core.files import require_regular
from iota2.core.graph import AXES
from iota2.core.grid import crs_name, part_rows, resolution
from iota2.core.scene import Acquisition, Scene, SensorScene
from iota2.core.sensor import SensorOptions
from iota2.core.words import json_text
from iota2.io.files.atomic import part_name
from iota2.io.files.crs import units_per_metre
from iota2.io.tables.alignments import Alignment, read_alignments
from iota2.io.tables.clear_dates import DateView, read_clear_dates
from iota2.report.run import pages as run_pages
from iota2.report.run.values import (
    AlignedView,
    Hole,
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
from iota2.run.plan.jobs import Job, Plan
from iota2.run.progress.environment import environment
from iota2.run.records.ledger import Verdict, relative
from iota2.run.records.state import StateFile, make_way, texts_by_name
from iota2.run.survey.survey import Survey
from iota2.run.workers.heartbeat import Heartbeat, read_heartbeats
from iota2.run.workers.job import WELL, JobResult

SECONDS = 3.0
"""The pages that change are written at most this often, and never for more than a twentieth of the time."""
SHARE = 20.0
QUIET = 5.0
"""Seconds longer that they are left when no job ends."""
LOG_BYTES = 60_000
"""Of a log, so much of its end is on the page of a job."""
FOLDER = PurePosixPath(layout.SITE.path).parent
WORKERS = PurePosixPath(layout.SITE_TIMELINE.path).name
KEPT = "what it reads turned out as it was"
CUT_OFF = "It was under way when the run ended."
Clear = Mapping[str, Mapping[tuple[str, str], DateView]]
"""By tile, then by sensor and key of the date."""
Aligned = Mapping[str, Mapping[tuple[str, str], Alignment]]
"""The same."""

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
        self._clear: dict[str, Mapping[tuple[str, str], DateView]] = {}
        self._clear_told = 0
        self._shown: set[str] = set()
        self._next = 0.0
        self._told = False
        self._over, self._lock = threading.Event(), threading.Lock()
        self._clock = threading.Thread(target=self._keep_fresh, name="iota2 run report", daemon=True)

    def started(self) -> None:
        """The jobs are known: write all pages."""
        with self._harmless():
            (self._folder / "jobs").mkdir(parents=True, exist_ok=True)
            there = set(os.listdir(self._folder / "jobs"))
            self._views = {job.id: _planned(job, self._verdicts[job.id], there) for job in self._plan.jobs}
            self._clear = self._known_clear()
            self._write(run_pages.assets())
            self._write(self._fixed_pages())
            if any(view.state != "fresh" for view in self._views.values()):
                self._write_run(self._running(), running=True)
                self._clock.start()
            self._tell(f"run report: {self._folder / PurePosixPath(layout.SITE.path).name}")

    def ended(self, result: JobResult) -> None:
        """One job came to its end: write its page, and those of the run when they have not been for a while."""
        with self._lock, self._harmless():
            job = self._plan.by_id[result.id]
            view = self._views[result.id] = _ended(self._views[result.id], result)
            if result.state in ("done", "failed"):
                self._write({view.page: run_pages.render_job(view, _log_of(job, self._plan.root))})
            if result.state in WELL and layout.CLEAR_DATES in job.step.makes.values():
                self._clear |= self._clear_of(str(job.key["tile"]))
            if time.monotonic() >= self._next:
                self._write_run(self._running(), running=True)

    def finished(self) -> None:
        """The run has come to its end, whichever."""
        self._over.set()
        with self._lock, self._harmless():
            self._cut_off()
            self._write_run(self._views, running=False)
            folders = _outputs(self._plan, self._views)
            self._write({"output_path_content.html": run_pages.render_outputs(folders, str(self._plan.root))})

    # ------------------------------------------------------------------------------------------------------ inner

    def _keep_fresh(self) -> None:
        """Write the pages that change while no job ends, until the run does."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # the main thread hears them
        while not self._over.wait(SECONDS):
            with self._lock, self._harmless():
                if not self._over.is_set() and time.monotonic() >= self._next + QUIET:
                    self._write_run(self._running(), running=True)

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            _log.info("the run report cannot be written", exc_info=True)
            if not self._told:
                self._told = True
                self._tell(f"warning: the run report in {self._folder} cannot be written ({error}); the run goes on")

    def _running(self) -> dict[str, JobView]:
        """The jobs as they are now; those that tell of themselves are under way, and have a page."""
        views = dict(self._views)
        for id_, told in read_heartbeats(self._plan.root).items():
            if id_ in views and views[id_].state == "waiting":
                view = views[id_] = _under_way(views[id_], told)
                log = _log_of(self._plan.by_id[id_], self._plan.root)
                self._write({view.page: run_pages.render_job(view, log, live=True)})
                self._shown.add(id_)
        return views

    def _cut_off(self) -> None:
        """The run has ended: what was under way is no more, and its page says so."""
        told = read_heartbeats(self._plan.root)
        for id_ in sorted(self._shown):
            view, job = self._views[id_], self._plan.by_id[id_]
            if view.state == "waiting":
                peak = told[id_].peak if id_ in told else 0
                view = self._views[id_] = replace(view, message=CUT_OFF, peak=peak, page=page_of(view.step, id_))
                self._write({view.page: run_pages.render_job(view, _log_of(job, self._plan.root))})

    def _write_run(self, views: Mapping[str, JobView], *, running: bool) -> None:
        begun = time.monotonic()
        pages = run_pages.render_run(self._run_view(views, running))
        if not running and all(view.state == "fresh" for view in self._views.values()) and self._worked_before():
            del pages[WORKERS]  # it tells of the last run that had jobs to run
        self._write(pages)
        if len(self._clear) > self._clear_told or not running:
            self._clear_told = len(self._clear)
            self._write(self._inputs_pages())
        ended = time.monotonic()
        self._next = ended + max(SECONDS, SHARE * (ended - begun))

    def _worked_before(self) -> bool:
        return not any(view.started for view in self._views.values()) and (self._folder / WORKERS).exists()

    def _run_view(self, views: Mapping[str, JobView], running: bool) -> RunView:
        states = {view.state for view in views.values()}
        over = "stopped" if "waiting" in states else "failed" if "failed" in states else "done"
        return RunView(
            title=self._plan.root.name,
            root=str(self._plan.root),
            state="running" if running else over,  # type: ignore[arg-type]
            started=self._begun,
            now=time.time(),
            steps=tuple(StepView(step.name, step.group, step.about) for step in self._plan.steps),
            jobs=tuple(views.values()),
            resume=self._resume,
            notes=self._found.remarks,
            holes=tuple(self._holes(views)),
            unmade=() if running else tuple(self._unmade(views)),
            report=self._report(views),
        )

    def _holes(self, views: Mapping[str, JobView]) -> Iterator[Hole]:
        """Ground whose classification failed."""
        for job in self._plan.jobs:
            if views[job.id].state == "failed" and job.step.labels and "tile" in job.key:
                tile = str(job.key["tile"])
                ground = f"Tile {tile}"
                if "part" in job.key:
                    height = self._found.scenes[tile].geobox.shape[0]
                    first, end = part_rows(int(job.key["part"]), height)
                    ground += f", rows {first} to {end - 1} of {height} (part {job.key['part']}; the first row is 0)"
                yield Hole(ground, views[job.id])

    def _unmade(self, views: Mapping[str, JobView]) -> Iterator[tuple[str, bool]]:
        """Products of jobs that were to run and have not ended well, each with whether there is an older one."""
        for job in self._plan.jobs:
            if views[job.id].state not in ("done", "fresh"):
                for name in job.products:
                    yield name, (self._plan.root / name).exists()

    def _report(self, views: Mapping[str, JobView]) -> Literal["made", "old", "none"]:
        """Whether the report of the results is of this run."""
        makers = [job for job in self._plan.jobs if layout.REPORT in job.step.makes.values()]
        if not (self._plan.root / layout.REPORT.path).exists():
            return "none"
        return "made" if all(views[job.id].state in ("done", "fresh") for job in makers) and makers else "old"

    def _fixed_pages(self) -> dict[str, str]:
        """Pages that stay as they are until the end of the run, by name."""
        former, settings = self._settings()
        return {
            "configuration_file.html": run_pages.render_configuration(
                settings, str(self._config.source), self._config.warnings, former
            ),
            "environment_info.html": run_pages.render_environment(environment(self._plan.root)),
            "output_path_content.html": run_pages.render_outputs(
                _outputs(self._plan, self._views), str(self._plan.root)
            ),
            **self._inputs_pages(),
        }  # fmt: skip

    def _product_pages(self) -> dict[str, list[SensorOptions]]:
        """The sensors on each page: the series of Sentinel-1 share one."""
        pages: dict[str, list[SensorOptions]] = defaultdict(list)
        for options in self._found.sensors:
            pages[_products_page(options)].append(options)
        return pages

    def _inputs_pages(self) -> dict[str, str]:
        """The page of inputs, and that of each sensor's products."""
        inputs = _inputs(self._config, self._found, self._clear, self._aligned())
        own = self._product_pages()
        return {
            "input_files_content.html": run_pages.render_inputs(
                inputs, [(page, _about_products(sensors)) for page, sensors in own.items()]
            ),
            **{
                page: run_pages.render_products(inputs, [one.spec.name for one in sensors], str(sensors[0].source))
                for page, sensors in own.items()
            },
        }  # fmt: skip

    def _known_clear(self) -> dict[str, Mapping[tuple[str, str], DateView]]:
        """How clear the dates are of the tiles for which that is made, and not to be made again."""
        unmade = {
            view.tile
            for view in self._views.values()
            if view.state != "fresh" and layout.CLEAR_DATES in self._plan.by_id[view.id].step.makes.values()
        }
        known: dict[str, Mapping[tuple[str, str], DateView]] = {}
        for tile in self._found.scenes:
            if tile not in unmade:
                known |= self._clear_of(tile)
        return known

    def _clear_of(self, tile: str) -> dict[str, Mapping[tuple[str, str], DateView]]:
        """How clear the dates of a tile are; empty when that is not there or cannot be read."""
        try:
            return {tile: read_clear_dates(self._plan.root / layout.CLEAR_DATES.path.format(tile=tile))}
        except (OSError, ValueError, KeyError):
            return {}

    def _aligned(self) -> Aligned:
        """How the dates lie, of the tiles that are known: those whose dates were counted where they should be."""
        if not layout.with_coregistration(self._config):
            return {}
        known = {}
        for tile in self._clear:
            with suppress(OSError, ValueError, KeyError):
                known[tile] = read_alignments(self._plan.root / layout.SHIFTS_TABLE.path.format(tile=tile))
        return known

    def _settings(self) -> tuple[bool, list[SettingView]]:
        """Whether a run before is known, and every option; the values are kept for the run after."""
        path = self._plan.root / layout.SETTINGS.path
        former = SETTINGS.load(self._plan.root)
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
        _put(path, json_text(now, indent=1) + "\n")
        return bool(former), settings

    def _write(self, pages: Mapping[str, str]) -> None:
        for name, text in pages.items():
            _put(self._folder / name, text)


def _put(path: Path, text: str) -> None:
    """Replace a file as a whole. It is not synced: what a power cut takes, the next run writes again."""
    make_way(path)
    part = part_name(path)
    part.write_text(text, encoding="utf-8", errors="replace")
    os.replace(part, path)


SETTINGS: StateFile[dict[str, str]] = StateFile(
    layout.SETTINGS.path,
    lambda text: texts_by_name(json.loads(text)),
    dict,
    "It is made anew: values of the run before are not shown.",
)
"""What runs keep of the options."""


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
        peak=result.peak,
        started=result.started,
        worker=result.worker,
        page=page_of(view.step, view.id),
    )


def _under_way(view: JobView, told: Heartbeat) -> JobView:
    return replace(
        view,
        state="running",
        seconds=max(told.seen, time.time()) - told.started,
        peak=told.peak,
        started=told.started,
        worker=told.worker,
        page=page_of(view.step, view.id),
    )


def _log_of(job: Job, root: Path) -> JobLog:
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
    """The end of a log; nothing when there is none, as of a job whose worker died at once."""
    try:
        require_regular(path)
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
    digest = hashlib.blake2b(options.spec.name.encode(), digest_size=6).hexdigest()
    name = path_key(options.spec) or f"user_sensor_{digest}"
    return f"{name}_content.html"


def _about_products(sensors: Sequence[SensorOptions]) -> str:
    """What the page of some sensors shows."""
    names = " and ".join(one.spec.name for one in sensors)
    return f"The layers of {names}" if sensors[0].spec.static else f"Every date of {names}, and how clear it is"


def _inputs(config: Config, found: Survey, clear: Clear, aligned: Aligned) -> InputsView:
    series = []
    for tile, scene in found.scenes.items():
        rows, columns = scene.geobox.shape
        size = f"{columns} × {rows} pixels"
        if scene.geobox.crs is not None and scene.geobox.crs.projected:
            size += f" of {resolution(scene.geobox)[0] / units_per_metre(scene.geobox.crs):g} m"
        seen, lies, pixels = clear.get(tile, {}), aligned.get(tile, {}), rows * columns
        told = _notes_by_sensor(scene, found.notes[tile])
        for number, sensor in enumerate(scene.sensors):
            name = sensor.spec.name
            products = tuple(
                replace(
                    _product(of_day, seen.get((name, f"{day:%Y%m%d}")), pixels),
                    aligned=_lies(next(filter(None, (lies.get((name, one.key)) for one in of_day)), None)),
                )
                for day, of_day in _by_day(sensor)
            )
            notes = told[number]
            features = sum(len(recipe.names) for recipe in found.recipe.sensors if recipe.sensor == name)
            view = SeriesView(name, tile, size, products, notes, found.regions[tile], _images(sensor), features)
            layers = tuple((layer, path) for one in sensor.acquisitions for layer, path in one.bands.items())
            series.append(replace(view, products=(), layers=layers) if sensor.spec.static else view)
    chain = config.chain
    sources = [(f"Products of {options.spec.name}", str(options.source)) for options in found.sensors]
    sources += [
        (name, str(path))
        for name, path in (
            ("Reference data", chain.ground_truth),
            ("Regions", chain.region_path),
            ("Names of the classes", chain.nomenclature_path),
            ("Colours", chain.color_table),
            ("Reference image of the co-registration", config.coregistration.vhr_path),
        )
        if path
    ]
    return InputsView(tuple(series), tuple(sources), found.remarks, len(found.recipe.names))


def _notes_by_sensor(scene: Scene, notes: Sequence[str]) -> list[tuple[str, ...]]:
    """The notes on a tile by the sensor whose section or name they begin with, each once; the others with the first
    sensor."""
    left, found = list(notes), []
    for sensor in scene.sensors:
        begins = f"{sensor.spec.section}, ", f"{sensor.spec.name}, "
        found.append(tuple(note for note in left if note.startswith(begins)))
        left = [note for note in left if note not in found[-1]]
    return [(*left, *found[0]), *found[1:]] if found else []


def _images(sensor: SensorScene) -> str:
    """Pixels and projection of the files of the bands: ``10 and 20 m, EPSG:32631``."""
    grids = sorted({sensor.grids[band] for band in sensor.spec.band_names}, key=resolution)
    sizes: dict[str, list[str]] = defaultdict(list)
    for grid in grids:
        metric = grid.crs is not None and grid.crs.projected
        size = f"{resolution(grid)[0] / units_per_metre(grid.crs):g}" if metric else f"{resolution(grid)[0]:g}"
        words = f"{'m' if metric else 'degrees'}, {crs_name(grid)}"
        sizes[words] += [size] if size not in sizes[words] else []
    return "; ".join(f"{' and '.join(each)} {words}" for words, each in sizes.items())


def _by_day(sensor: SensorScene) -> Iterator[tuple[date, list[Acquisition]]]:
    """The acquisitions of each day of a sensor."""
    for day, numbers in sensor.by_day.items():
        yield day, [sensor.acquisitions[number] for number in numbers]


def _product(of_day: Sequence[Acquisition], view: DateView | None, pixels: int) -> ProductView:
    """One date with its products, and with how clear it is when that is known."""
    day, names = of_day[0].day, ", ".join(one.product for one in of_day)
    if view is None:
        return ProductView(day, names)
    return ProductView(day, names, view.inside / pixels, view.part)


def _lies(one: Alignment | None) -> AlignedView | None:
    if one is None:
        return None
    found = one.found
    measures = found.windows, found.compared, found.spread, found.before, found.after
    return AlignedView(one.right, one.down, *measures, one.about, one.known)


def _outputs(plan: Plan, views: Mapping[str, JobView]) -> list[tuple[str, str, Sequence[OutputView]]]:
    """Folders in the order of their names, the products first: each with its sentence and its kinds of files."""
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
    by_steps = {kind.pattern for kind in kinds} | {a.path for step in plan.steps for a in step.makes.values()}
    kinds += [
        OutputView(artifact.path, artifact.about, "the run")
        for artifact in layout.artifacts()
        if artifact.path not in by_steps
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
