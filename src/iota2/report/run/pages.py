"""Rendering of the run report; pages work from the file system, without a server or a network."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import groupby

from jinja2 import Environment
from markupsafe import Markup

from iota2.core.words import json_text
from iota2.report.run.graph import CELL_HEIGHT, STEP_NAMES_WIDTH, Graph, lay_out, state_counts
from iota2.report.run.plots import CLEAR_KINDS, calendars, displacement_plot, timeline
from iota2.report.run.values import (
    STATE_TEXTS,
    InputsView,
    JobLog,
    JobView,
    OutputView,
    RunView,
    SettingView,
)
from iota2.report.templating import asset, environment, link, script_policy

REFRESH_SECONDS = 5
"""Seconds after which a page reloads while the run is in progress."""
MAX_LISTED_JOBS = 20_000
"""Maximum number of jobs listed below the graph; jobs that need attention come first."""
MAX_SHOWN_FAILURES = 100
"""Maximum number of failed jobs, gaps in the map and missing products that are listed."""
MAX_SHOWN_FILES = 40
"""Maximum number of listed files of one kind."""
PAGES = (
    ("index.html", "Run"),
    ("tasks_status_1.html", "Jobs"),
    ("timeline.html", "Workers"),
    ("input_files_content.html", "Inputs"),
    ("output_path_content.html", "Outputs"),
    ("configuration_file.html", "Configuration"),
    ("environment_info.html", "Environment"),
    ("results.html", "Results"),
)
"""File names and titles of the pages in the navigation."""
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def render_run(run: RunView) -> dict[str, str]:
    """Pages that change during a run, by file name; ``../tasks_status_1.svg`` contains only the graph."""
    graph = lay_out(run.steps, run.jobs)
    failed = [job for job in run.jobs if job.state == "failed"]
    running = [job for job in run.jobs if job.state == "running"]
    counts = Counter(job.state for job in run.jobs)
    common = {"run": run, "graph": graph, "words": STATE_TEXTS, "counts": counts, "refresh": _refresh(run),
              "max_shown": MAX_SHOWN_FAILURES}  # fmt: skip
    listed = _listed(graph)
    return {
        "index.html": _page(
            "index", **common, listed=listed, failed=failed[:MAX_SHOWN_FAILURES], more=failed[MAX_SHOWN_FAILURES:],
            steps=_step_rows(run),
        ),
        "tasks_status_1.html": _page("tasks", **common, listed=listed),
        "timeline.html": _page(
            "timeline", **common, plot=timeline(run.jobs), slowest=_slowest(run.jobs), running=running
        ),
        "results.html": _page("results", **common),
        "../tasks_status_1.svg": _page("picture", graph=graph, words=STATE_TEXTS, prefix="html/"),
    }  # fmt: skip


def render_job(job: JobView, log: JobLog, *, live: bool = False) -> str:
    """Page of one job: state, reason and log; with ``live`` it reloads automatically."""
    return _page("job", job=job, log=log, words=STATE_TEXTS, up="../", refresh=REFRESH_SECONDS if live else 0)


def render_configuration(settings: Sequence[SettingView], source: str, warnings: Sequence[str], former: bool) -> str:
    """Page of all options. ``former``: whether the options of the previous run are known."""
    sections = [(name, list(members)) for name, members in groupby(settings, key=lambda setting: setting.section)]
    changed = [setting for setting in settings if setting.changed]
    return _page("configuration", sections=sections, source=source, warnings=warnings, changed=changed, former=former)


def render_environment(groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """Page of the environment: tables of names and values."""
    return _page("environment", groups=groups)


def render_inputs(inputs: InputsView, products: Sequence[tuple[str, str]]) -> str:
    """Page of the inputs by sensor and tile. ``products``: address and title of each page of products."""
    return _page("inputs", inputs=inputs, plots=calendars(inputs.series), products=products, kinds=CLEAR_KINDS)


def render_products(inputs: InputsView, sensors: Sequence[str], folder: str) -> str:
    """Page of the products of sensors that share one folder, by tile."""
    series = [one for one in inputs.series if one.sensor in sensors]
    displacements = [displacement_plot(one) for one in series]
    return _page("products", series=series, sensors=sensors, folder=folder, displacements=displacements)


def render_outputs(folders: Sequence[tuple[str, str, Sequence[OutputView]]], root: str) -> str:
    """Page of the output folder ``root``: subfolders with their description and kinds of files."""
    return _page("outputs", folders=folders, root=root, max_shown=MAX_SHOWN_FILES)


def assets() -> dict[str, str]:
    """Style sheet and licence text of the pages, by file name."""
    return {
        "style.css": _environment().get_template("site/style.css.j2").render(),
        "svg-pan-zoom.LICENSE.txt": asset("svg-pan-zoom.LICENSE.txt"),
    }


# ---------------------------------------------------------------------------------------------------------- internal


def _page(name: str, **values: object) -> str:
    """A rendered template; characters that XML does not allow are replaced."""
    given = {"pages": PAGES, "refresh": 0, "up": "", "prefix": "", "here": name, **values}
    text = _environment().get_template(f"site/{name}.j2").render(given)
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


@cache
def _environment() -> Environment:
    templates = environment()
    templates.filters |= {
        "link": link,
        "data": _json_data,
        "duration": duration_text,
        "moment": _moment,
        "px": _px,
        "percent": _percent,
        "number": _number,
    }
    templates.globals |= {
        "scripts": [Markup(text) for text in _scripts()],
        "policy": script_policy(_scripts()),
        "policy_silent": script_policy(()),
        "cell_height": CELL_HEIGHT,
        "graph_left": STEP_NAMES_WIDTH,
        "state_counts": state_counts,
    }
    return templates


@cache
def _scripts() -> tuple[str, ...]:
    """Scripts of the pages, library first."""
    return tuple(asset(name) for name in ("svg-pan-zoom.min.js", "site.js"))


def _refresh(run: RunView) -> int:
    """Seconds after which the pages reload; 0 if the run has ended."""
    return REFRESH_SECONDS if run.state == "running" else 0


def _json_data(value: object) -> Markup:
    """JSON for a data block; ``<`` and ``&`` are escaped so that its content cannot end the block."""
    text = json_text(value, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def duration_text(seconds: float) -> str:
    """A duration as text: ``12.5 s``, ``3 min 05 s``, ``2 h 07 min``."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _moment(seconds: float) -> str:
    """A Unix time as local date and time."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def _percent(value: float | None) -> str:
    """A share in percent, or a dash if it is unknown."""
    return "–" if value is None else f"{100 * value:.0f} %"


def _number(value: float, form: str = ".2f") -> str:
    """A number as text, or a dash if it is unknown."""
    return "–" if math.isnan(value) else format(round(value, 2) + 0.0, form)  # no minus before a zero


def _px(value: float) -> str:
    """A length in pixels as text."""
    return f"{value:.1f}".removesuffix(".0")


def _listed(graph: Graph) -> list[list[object]]:
    """Jobs of each cell: name, state, time, peak memory in MiB, message or reason, page, key."""
    remaining = MAX_LISTED_JOBS
    rows: list[list[object]] = []
    for cell in graph.cells:
        jobs = sorted(cell.jobs, key=lambda job: list(STATE_TEXTS).index(job.state))[: max(remaining, 1)]
        remaining -= len(jobs)
        rows.append([[job.id, job.state, duration_text(job.seconds) if job.seconds else "", job.peak,
                      job.message or job.reason, job.page, job.key] for job in jobs])  # fmt: skip
    return rows


def _step_rows(run: RunView) -> list[Mapping[str, object]]:
    """Row of each step: number of jobs by state, total time, largest peak memory."""
    by_step: dict[str, list[JobView]] = {step.name: [] for step in run.steps}
    for job in run.jobs:
        by_step[job.step].append(job)
    rows: list[Mapping[str, object]] = []
    for step in run.steps:
        jobs = by_step[step.name]
        if jobs:
            rows.append(
                {
                    "step": step,
                    "total": len(jobs),
                    "counts": Counter(job.state for job in jobs),
                    "seconds": sum(job.seconds for job in jobs if job.state in ("done", "failed")),
                    "peak": max(job.peak for job in jobs),
                }
            )
    return rows


def _slowest(jobs: Sequence[JobView], most: int = 12) -> list[JobView]:
    """The ``most`` jobs of this run that took longest."""
    return sorted((job for job in jobs if job.started), key=lambda job: -job.seconds)[:most]
