"""The pages of the run report: content, grouping of jobs, and escaping of texts."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections import Counter
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from typing import Literal
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from iota2.report.run import pages as site
from iota2.report.run.graph import MAX_JOB_CELLS, MAX_TILE_CELLS, Graph, lay_out, shortened, width_in_letters
from iota2.report.run.plots import MARK_HEIGHT, MAX_MARKS, Mark, calendars, timeline
from iota2.report.run.values import (
    FunctionView,
    Hole,
    InputsView,
    JobLog,
    JobView,
    OutputView,
    ProductView,
    ResultPage,
    RunView,
    SeriesView,
    SettingView,
    State,
    StepView,
)

STEPS = (
    StepView("first", "init", "Prepare."),
    StepView("second", "sampling", "Sample."),
    StepView("last", "mosaic", "Merge."),
)
HOSTILE = "</script><script>alert(1)</script>\"'&<svg onload=alert(2)>#%:\x01"


def run_of(tiles: list[str], seeds: int = 1, states: dict[str, State] | None = None) -> RunView:
    """A run with a first step per tile, a second step per tile and seed, and a last step over all tiles."""
    states = states or {}
    jobs = [JobView(f"first/{tile}", "first", tile, tile, tile, page=f"jobs/first-{tile}.html") for tile in tiles]
    jobs += [
        JobView(f"second/{tile}_{s}", "second", f"{tile}_{s}", tile, f"{tile} · seed {s}", (f"first/{tile}",))
        for tile in tiles
        for s in range(seeds)
    ]
    below = tuple(job.id for job in jobs)
    jobs.append(JobView("last/all", "last", "all", None, "", below))
    jobs = [JobView(**{**vars(job), "state": states.get(job.id, "waiting")}) for job in jobs]
    return RunView("Results", "/data/Results", "running", 1e9, 1e9 + 75, STEPS, tuple(jobs), "iota2 run my.cfg")


def graph_of(run: RunView) -> Graph:
    return lay_out(run.steps, run.jobs)


# ------------------------------------------------------------------------------------------------------- the graph


def test_few_jobs_have_one_cell_each_and_implied_connections_are_omitted() -> None:
    graph = graph_of(run_of(["A", "B"], seeds=2))
    ids = [cell.jobs[0].id for cell in graph.cells]
    assert [len(cell.jobs) for cell in graph.cells] == [1] * 7
    links = {(ids[a], ids[b]) for a, b, _ in graph.lines}
    assert links == {(f"first/{t}", f"second/{t}_{s}") for t in "AB" for s in (0, 1)} | {
        (f"second/{t}_{s}", "last/all") for t in "AB" for s in (0, 1)
    }, "last also needs first, which is implied by second"


def test_cells_of_a_row_do_not_overlap_and_keep_to_the_column_of_their_tile() -> None:
    graph = graph_of(run_of([f"T{k:03}" for k in range(40)], seeds=3))
    centres = {column.name: column.x for column in graph.columns}
    half = (graph.columns[1].x - graph.columns[0].x) / 2
    rows: dict[float, list[tuple[float, float]]] = {}
    for cell in graph.cells:
        rows.setdefault(cell.y, []).append((cell.x, cell.x + cell.width))
        if tile := cell.jobs[0].tile:
            assert centres[tile] - half <= cell.x
            assert cell.x + cell.width <= centres[tile] + half + 1e-6
    assert len(rows) == 3
    for spans in rows.values():
        spans.sort()
        assert all(left[1] <= right[0] for left, right in pairwise(spans))


def test_many_jobs_are_grouped_by_step_and_tile_and_more_by_step() -> None:
    tiles = [f"T{k:04}" for k in range(MAX_JOB_CELLS)]
    folded = graph_of(run_of(tiles, seeds=3))
    assert Counter(len(cell.jobs) for cell in folded.cells) == {1: MAX_JOB_CELLS + 1, 3: MAX_JOB_CELLS}
    assert folded.cell_unit == "one step on one tile"
    whole = graph_of(run_of([f"T{k:05}" for k in range(MAX_TILE_CELLS)]))
    assert [len(cell.jobs) for cell in whole.cells] == [MAX_TILE_CELLS, MAX_TILE_CELLS, 1]


def test_a_cell_of_several_jobs_is_red_if_one_failed_and_otherwise_shows_all_states() -> None:
    tiles = [f"T{k:04}" for k in range(MAX_JOB_CELLS)]
    states: dict[str, State] = {
        "second/T0000_0": "failed",
        "second/T0000_1": "done",
        "second/T0001_0": "done",
        "second/T0001_1": "fresh",
    }
    cells = {(cell.jobs[0].step, cell.jobs[0].tile): cell for cell in graph_of(run_of(tiles, 4, states)).cells}
    assert [part.state for part in cells["second", "T0000"].parts] == ["failed"]
    shares = {part.state: part.width / cells["second", "T0001"].width for part in cells["second", "T0001"].parts}
    assert shares == pytest.approx({"done": 0.25, "waiting": 0.5, "fresh": 0.25})
    assert cells["second", "T0001"].label in ("", "2/4")


def test_pages_of_five_thousand_jobs_are_small_and_list_each_job() -> None:
    run = run_of([f"T{k:03}" for k in range(160)], seeds=31)
    assert len(run.jobs) > 5000
    pages = site.render_run(run)
    assert max(len(text) for text in pages.values()) < 3_000_000
    assert all(job.id in pages["tasks_status_1.html"] for job in run.jobs), "the search can find each job"


def test_the_page_of_the_inputs_shows_the_features_of_functions() -> None:
    series = SeriesView("Sentinel2", "T31TCJ", "64 × 64 pixels", (), features=30)
    functions = (
        FunctionView("ndvi", ("Sentinel2",), ("a", "b", "c", "d")),
        FunctionView("rank", ("soil",), ("r",), True),
    )
    page = site.render_inputs(InputsView((series,), features=35, functions=functions), [])
    text = " ".join("".join(ParsedPage(page).texts).split())
    assert "Features of Python functions" in text
    cells = [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r"<tr>.*?</tr>", page)]
    assert "||ndvi||Sentinel2||4||a, b, c …||" in cells
    assert "||rank (whole tiles)||soil||1||r||" in cells
    assert "Features of Python functions" not in site.render_inputs(InputsView((series,)), [])


# ----------------------------------------------------------------------------------------------------------- pages


class ParsedPage(HTMLParser):
    """Tags with their attributes, and the text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def hostile_pages() -> dict[str, str]:
    job = JobView(
        f"first/{HOSTILE}", "first", HOSTILE, HOSTILE, HOSTILE, (), "failed", HOSTILE, HOSTILE, 2.0, 9, 1e9, HOSTILE,
        "jobs/a.html",
    )  # fmt: skip
    hole, unmade = Hole(HOSTILE, job), ((HOSTILE, True), (HOSTILE, False))
    pages = tuple(ResultPage(HOSTILE, HOSTILE, state) for state in ("made", "old"))
    run = RunView(HOSTILE, HOSTILE, "failed", 1e9, 1e9, STEPS[:1], (job,), HOSTILE, (HOSTILE,), (hole,), unmade, pages)
    inputs = InputsView(
        (SeriesView(HOSTILE, HOSTILE, HOSTILE, (ProductView(date(2018, 5, 1), HOSTILE),), (HOSTILE,), (HOSTILE,)),),
        ((HOSTILE, HOSTILE),),
        (HOSTILE,),
        functions=(FunctionView(HOSTILE, (HOSTILE,), (HOSTILE,), whole_tile=True),),
    )
    setting = SettingView(HOSTILE, HOSTILE, HOSTILE, "", HOSTILE + "former")
    files = ((HOSTILE, True), (HOSTILE, False))
    return {
        **site.render_run(run),
        "job": site.render_job(job, JobLog((HOSTILE,), (HOSTILE,), HOSTILE, HOSTILE, HOSTILE, HOSTILE)),
        "configuration": site.render_configuration([setting], HOSTILE, [HOSTILE], former=True),
        "environment": site.render_environment([(HOSTILE, [(HOSTILE, HOSTILE)])]),
        "inputs": site.render_inputs(inputs, [(HOSTILE, HOSTILE)]),
        "products": site.render_products(inputs, [HOSTILE], HOSTILE),
        "outputs": site.render_outputs([(HOSTILE, HOSTILE, [OutputView(HOSTILE, HOSTILE, HOSTILE, files)])], HOSTILE),
    }


@pytest.mark.parametrize("name", list(hostile_pages()))
def test_hostile_names_are_escaped(name: str) -> None:
    page = hostile_pages()[name]
    assert "<script>alert" not in page
    assert "<svg onload" not in page
    assert "\x01" not in page
    seen = ParsedPage(page)
    assert "alert(1)" in "".join(seen.texts), "it is shown as text"
    assert not [attrs for _, attrs in seen.tags if any(key.startswith("on") for key in attrs)]
    links = [attrs["href"] or "" for tag, attrs in seen.tags if tag == "a"]
    assert not [link for link in links if ":" in link or "<" in link or '"' in link]


def test_the_svg_of_the_graph_is_xml_without_script_and_links_to_the_pages() -> None:
    root = ElementTree.fromstring(hostile_pages()["../tasks_status_1.svg"])
    assert not root.findall(".//{*}script")
    assert [a.get("href") for a in root.iter("{http://www.w3.org/2000/svg}a")] == ["html/jobs/a.html"]


def test_only_scripts_of_the_program_are_allowed_and_nothing_is_loaded() -> None:
    page = site.render_run(run_of(["A"]))["index.html"]
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1])  # type: ignore[index]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    allowed = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts}
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == allowed
    assert len(scripts) == 2
    assert "unsafe-inline" not in policy.split("script-src")[1]
    for _, attrs in ParsedPage(page).tags:
        assert not (attrs.get("src") or attrs.get("href") or "").startswith(("http", "//"))


def test_the_search_data_contain_every_job() -> None:
    page = hostile_pages()["tasks_status_1.html"]
    found = json.loads(re.search(r'id="jobs">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert found[0][0][0] == "first/" + HOSTILE


def test_the_first_page_lists_failed_jobs_before_the_graph() -> None:
    states: dict[str, State] = {"first/A": "failed", "first/B": "done", "second/A_0": "blocked"}
    page = site.render_run(run_of(["A", "B"], 1, states))["index.html"]
    assert '<meta http-equiv="refresh"' in page
    assert page.index("Failed jobs") < page.index('id="graph"')
    text = " ".join(ParsedPage(page).texts)
    assert "iota2 run my.cfg" in text
    done = RunView(**{**vars(run_of(["A"])), "state": "done"})
    assert 'http-equiv="refresh"' not in site.render_run(done)["index.html"]


def test_gaps_in_the_map_come_first_and_products_of_earlier_runs_are_identified() -> None:
    run = run_of(["A"], 1, {"second/A_0": "failed", "last/all": "blocked"})
    job = run.jobs[1]
    holes = (Hole("Tile A, rows 0 to 1023 of 2000 (part 0)", job),)
    unmade = (("final/Classif_Seed_0.tif", True), ("final/report.html", False))
    run = RunView(**{**vars(run), "state": "failed", "holes": holes, "unmade": unmade})
    pages = site.render_run(run)
    for name in ("index.html", "results.html"):
        text = " ".join(" ".join(ParsedPage(pages[name]).texts).split())
        assert "Tile A, rows 0 to 1023 of 2000" in text, name
        assert "final/Classif_Seed_0.tif – a version of an earlier run exists" in text, name
        assert "final/report.html – a version of" not in text
    assert pages["index.html"].index("Gaps in the map") < pages["index.html"].index("Failed jobs")


def with_page(run: RunView, state: str, *, page: Literal["made", "old", "none"]) -> RunView:
    """A run whose result page has a state."""
    return replace(run, state=state, pages=(ResultPage("final/report.html", "About `it`.", page),))


def test_the_results_page_presents_only_pages_that_this_run_made() -> None:
    for page, state, leads in (("made", "done", True), ("made", "running", False), ("old", "failed", False)):
        text = site.render_run(with_page(run_of(["A"]), state, page=page))["results.html"]
        assert ("The results of this run are available" in text) == leads
        link = '<a href="../../final/report.html"><b>Open <code>final/report.html</code></b></a>: About it.'
        assert (link in text) == leads
    assert "does not show the results of this run" in text
    none = site.render_run(with_page(run_of(["A"]), "done", page="none"))["results.html"]
    assert "final/report.html" not in none


def test_the_results_page_presents_the_pages_of_all_builders() -> None:
    names = ("final/report.html", f"final/{HOSTILE}.html", "final/older.html")
    states: tuple[Literal["made", "old"], ...] = ("made", "made", "old")
    pages = tuple(ResultPage(name, "About.", state) for name, state in zip(names, states, strict=True))
    text = site.render_run(replace(run_of(["A"]), state="done", pages=pages))["results.html"]
    links = [attrs["href"] for tag, attrs in ParsedPage(text).tags if tag == "a" and "final/" in (attrs["href"] or "")]
    assert [unquote(link or "") for link in links] == [f"../../{name}" for name in names]
    assert text.index("final/report.html") < text.index("A page of an earlier run exists") < text.index("final/older")


@pytest.mark.parametrize("state", ["done", "failed", "stopped"])
@pytest.mark.parametrize("report", ["made", "old", "none"])
def test_no_page_of_a_finished_run_reloads_or_redirects(state: str, report: str) -> None:
    """A headless browser would wait forever for the last page."""
    run = with_page(run_of(["A"]), state, page=report)
    for name, page in site.render_run(run).items():
        assert 'http-equiv="refresh"' not in page.lower(), name
        assert "<body data-refresh" not in page, name


def test_no_page_of_a_running_run_redirects() -> None:
    for report in ("made", "old", "none"):
        run = with_page(run_of(["A"]), "running", page=report)
        for name, page in site.render_run(run).items():
            waits = re.findall(r'http-equiv="refresh" content="([^"]*)"', page)
            assert all(re.fullmatch(r"[1-9]\d*", wait) for wait in waits), (name, waits)


def test_running_jobs_show_their_memory_so_far() -> None:
    run = run_of(["A"])
    job = JobView(
        **{**vars(run.jobs[0]), "state": "running", "peak": 812, "started": 1e9, "seconds": 70, "worker": "h:1"}
    )
    run = RunView(**{**vars(run), "jobs": (job, *run.jobs[1:])})
    pages = site.render_run(run)
    running = pages["timeline.html"].partition('id="running"')[2].partition("</section>")[0]
    assert "812 MiB" in running
    assert "first/A: running, 70.0 s, 812 MiB" in pages["timeline.html"]
    assert "running, 70.0 s, 812 MiB" in pages["tasks_status_1.html"]
    page = site.render_job(job, JobLog(), live=True)
    assert "812 MiB" in page
    assert 'http-equiv="refresh"' in page
    assert "so far" not in site.render_job(JobView(**{**vars(job), "state": "failed"}), JobLog())


def test_the_configuration_page_marks_changed_options() -> None:
    settings = [
        SettingView("chain", "runs", "3", "1", "1"),
        SettingView("chain", "proj", "'EPSG:2154'", "", "'EPSG:2154'"),
        SettingView("chain", "kept", "0", "0", None),
    ]
    page = site.render_configuration(settings, "my.cfg", (), former=True)
    changed = page[page.index('id="changed"') : page.index("</section>", page.index('id="changed"'))]
    assert "chain.runs" in changed
    assert "chain.proj" not in changed
    assert page.count('class="differs"') == 2


# ----------------------------------------------------------------------------------------------------------- plots


def place_of(mark: Mark) -> float:
    found = re.match(r"M([\d.]+) ", mark.paths[0][1])
    assert found
    return float(found[1])


def test_the_calendar_has_a_mark_for_each_date_in_order() -> None:
    days = [date(2018, 1, 10), date(2018, 2, 10), date(2018, 12, 30)]
    (plot,) = calendars([SeriesView("S2", "A", "", tuple(ProductView(day, "P") for day in days))])
    marks = [place_of(mark) for mark in plot.lanes[0].marks]
    assert len(marks) == 3
    assert (marks[1] - marks[0]) / (marks[2] - marks[0]) == pytest.approx(31 / 354, abs=0.001)
    assert [tick.label for tick in plot.ticks][:2] == ["Jan 2018", "Feb"], "the first month is incomplete"
    assert plot.lanes[0].marks[0].about == "2018-01-10: not read yet"
    assert calendars([SeriesView("S2", "B", "", ())]) == []


def test_a_mark_shows_the_covered_share_as_height_and_the_clear_share_as_colour() -> None:
    products = (
        ProductView(date(2018, 1, 1), "P", 0.5, 0.5),
        ProductView(date(2018, 2, 1), "P", 1.0, 1.0),
        ProductView(date(2018, 3, 1), "P", 0.0, None),
    )
    (plot,) = calendars([SeriesView("S2", "A", "", products)])
    half, whole, nothing = plot.lanes[0].marks
    height = {kind: float(path.rsplit("v-", 1)[1]) for kind, path in half.paths}
    assert height == {"shown": MARK_HEIGHT / 2, "c2": MARK_HEIGHT / 4}
    assert {kind for kind, _ in whole.paths} == {"shown", "c4"}
    assert half.about == "2018-01-01: 50 % clear; the image covers 50 % of the tile"
    assert "does not cover" in nothing.about


def test_marks_of_many_tiles_are_merged() -> None:
    products = tuple(ProductView(date(2018, 1, 1 + k), "P", 1.0, k / 30) for k in range(30))
    tiles = MAX_MARKS // 30 + 1
    (plot,) = calendars([SeriesView("S2", f"T{k}", "", products) for k in range(tiles)])
    (mark,) = plot.lanes[0].marks
    paths = dict(mark.paths)
    assert paths["shown"].count("M") == 30
    assert sum(path.count("M") for kind, path in paths.items() if kind != "shown") == 30


def test_the_clear_share_of_a_series_counts_only_covered_pixels() -> None:
    day = date(2018, 1, 1)
    products = (ProductView(day, "P", 1.0, 0.5), ProductView(day, "Q", 0.5, 1.0), ProductView(day, "R", 0.0, None))
    series = SeriesView("S2", "A", "", products)
    assert series.inside == pytest.approx(0.5)
    assert series.clear == pytest.approx((0.5 + 0.5) / 1.5)
    assert SeriesView("S2", "A", "", (*products, ProductView(day, "S"))).clear is None
    assert SeriesView("S2", "A", "", (products[2],)).clear is None


def test_each_date_has_a_row_with_its_clear_share() -> None:
    products = (ProductView(date(2018, 5, 11), "P1", 0.62, 0.944), ProductView(date(2018, 5, 21), "P2"))
    page = site.render_products(InputsView((SeriesView("S2", "A", "", products),)), ["S2"], "/data")
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)]
    assert rows[1:] == [["2018-05-11", "62", "%", "94", "%", "P1"], ["2018-05-21", "–", "–", "P2"]]


@pytest.mark.parametrize(
    ("text", "most", "expected"), [("T31TCJ", 6, "T31TCJ"), ("森林森林", 5, "森林…"), ("abcdef", 4, "abc…")]
)
def test_names_are_shortened_by_their_width(text: str, most: int, expected: str) -> None:
    assert shortened(text, most) == expected
    assert width_in_letters(expected) <= most


def test_the_timeline_has_a_line_for_each_worker() -> None:
    jobs = [
        JobView("s/1", "s", "1", None, "", state="done", seconds=10, started=1000, worker="a:1"),
        JobView("s/2", "s", "2", None, "", state="done", seconds=10, started=1010, worker="a:1"),
        JobView("s/3", "s", "3", None, "", state="failed", seconds=20, started=1000, worker="b:1"),
        JobView("s/4", "s", "4", None, ""),
    ]
    plot = timeline(jobs)
    assert plot is not None
    assert [(lane.name, len(lane.bars)) for lane in plot.lanes] == [("a:1", 2), ("b:1", 1)]
    (first, width, _), (second, _, _) = plot.lanes[0].bars
    assert second == pytest.approx(first + width)
    assert timeline(jobs[3:]) is None
