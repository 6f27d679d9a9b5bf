"""The run report of a run, as files and in a browser: pages, links, graph, search."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
import rasterio
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.core.random import generator
from iota2.errors import JobsFailed
from iota2.runs import runner
from iota2.runs.progress import listener as report
from iota2.runs.workers import heartbeat
from iota2.runs.workers.job import JobResult
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
in_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed")

UNSAFE_SUFFIX = '<i>&"#%d<script>'
"""A suffix of a product name and of the output folder that would break out of the HTML if unescaped."""
TILE = "T31TDJ"
SECRET = "correct-horse-battery-staple"
WORLD = make_world(WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:2]))


@dataclass(frozen=True)
class Failed:
    """A run in which the extraction of one tile failed."""

    site: Path
    config: Path

    def page(self, name: str) -> str:
        return (self.site / name).read_text(encoding="utf-8")

    def address(self, name: str) -> str:
        return (self.site / name).as_uri()


class Listener(runner.Watcher):
    """Collects the messages."""

    def __init__(self) -> None:
        self.reported: list[str] = []

    def say(self, text: str) -> None:
        self.reported.append(text)


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Failed:
    folder = tmp_path_factory.mktemp("site")
    files = write_world(WORLD, folder / "world")
    image = sorted((folder / "world/sensor_data").rglob(f"*_{TILE}_*_FRE_B8.tif"))[0]
    damage_first_block(image)
    image.parent.rename(image.parent.with_name(image.parent.name + UNSAFE_SUFFIX))
    config = configured(files, folder / f"run{UNSAFE_SUFFIX}")
    os.environ["IOTA2_TEST_PASSWORD"] = SECRET
    listener = Listener()
    try:
        with pytest.raises(JobsFailed):
            runner.run(config, runner.Options(workers=0), listener)
    finally:
        del os.environ["IOTA2_TEST_PASSWORD"]
    assert not [line for line in listener.reported if "cannot be written" in line]
    return Failed(config.chain.output_path / "logs/html", config.source)


def damage_first_block(path: Path) -> None:
    """Damage the pixels of a file, but not its header."""
    with rasterio.open(path) as source:
        start = int(source.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    content = path.read_bytes()
    path.write_bytes(content[:start] + generator(0).bytes(100) + content[start + 100 :])


# ---------------------------------------------------------------------------------------------------- as files


def test_the_first_page_shows_failures_and_all_links_exist(failed: Failed) -> None:
    page = failed.page("index.html")
    assert "Ended after" in page
    assert 'http-equiv="refresh"' not in page
    for name in failed.site.glob("**/*.html"):
        for link in re.findall(r'href="([^"#]+)"', name.read_text(encoding="utf-8")):
            target = name.parent / unquote(link)
            assert target.exists() or target.name == "report.html" or name.parent.name == "jobs", (name, link)


def test_no_value_of_the_environment_is_shown(failed: Failed) -> None:
    pages = list(failed.site.rglob("*.*"))
    assert len(pages) > 15
    assert not [page for page in pages if SECRET in page.read_text(encoding="utf-8")]
    assert "Environment variables are not shown" in failed.page("environment_info.html")


def test_inputs_and_outputs_are_reported(failed: Failed) -> None:
    inputs, outputs = failed.page("input_files_content.html"), failed.page("output_path_content.html")
    assert inputs.count(": 4 dates, ") == 2, "one calendar row per tile"
    assert "SENTINEL2" in failed.page("s2_path_content.html")
    assert "The land-cover map: class codes; 0 where not classified." in outputs
    assert "0 of 1" in outputs, "outputs that depend on the failed job are missing"


def test_clear_pixels_of_each_date_agree_with_the_synthetic_clouds(failed: Failed) -> None:
    message = {}
    for section in failed.page("s2_path_content.html").split("<section>")[1:]:
        tile = re.findall(r"<summary>(T31T[CD]J)", section)[0]
        rows = re.findall(r"<td[^>]*>(\d{4}-\d\d-\d\d)</td><td>(\d+) %</td><td>(\d+) %</td>", section)
        message |= {(tile, day): (int(inside), int(clear)) for day, inside, clear in rows}
    expected = {}
    for tile in WORLD.options.tiles:
        for day in WORLD.dates(tile):
            sky, window = WORLD.sky(day), WORLD.window(tile)
            inside, clear = ~sky.edge[window], ~sky.invalid[window]
            expected[tile, str(day)] = (round(100 * inside.mean()), round(100 * clear.sum() / inside.sum()))
    assert message == expected
    calendar = failed.page("input_files_content.html")
    for (tile, day), (inside, clear) in expected.items():
        assert f"{tile}, {day}: {clear} % clear; the image covers {inside} % of the tile" in calendar


def test_the_page_of_results_lists_missing_products(failed: Failed) -> None:
    page = failed.page("results.html")
    assert "This run ended without a page of results." in page
    assert "<code>final/Classif_Seed_0.tif</code>" in page
    assert "url=" not in page
    assert "Holes in the map" not in page, "the whole map is missing, because no model was trained"


def test_the_next_run_shows_changed_options(failed: Failed, tmp_path: Path) -> None:
    assert "This is the first run in this folder." in failed.page("configuration_file.html")
    config = moved(failed, tmp_path, lambda text: text)
    runner.run(config, runner.Options(workers=0, last_step="init"), runner.Watcher())
    config = moved(
        failed, tmp_path, lambda text: text.replace("'classifier.rf.nbtrees' : 50", "'classifier.rf.nbtrees' : 7")
    )
    runner.run(config, runner.Options(workers=0, last_step="init"), runner.Watcher())
    site = config.chain.output_path / "logs/html"
    page = (site / "configuration_file.html").read_text(encoding="utf-8")
    changed = page[page.index('id="changed"') : page.index("</section>", page.index('id="changed"'))]
    assert re.findall(r"<code>([\w.]+\.\w+)</code>", changed) == ["arg_train.otb_classifier_options"]
    inputs = (site / "input_files_content.html").read_text(encoding="utf-8")
    assert len(re.findall(r"<td>\d+ %</td><td>\d+ %</td>", inputs)) == 2
    assert "not read yet</title>" not in inputs, "clear pixels are known from the previous run"
    index = (site / "index.html").read_text(encoding="utf-8")
    assert "All jobs were up to date; none was executed." in index
    assert index.count('class="cell fresh"') == index.count('class="cell ')
    assert index.count('<a href="jobs/') == index.count('class="cell '), "jobs that are up to date keep their pages"


def test_pages_are_updated_while_no_job_ends_and_show_running_jobs(
    failed: Failed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(report, "MIN_INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(report, "IDLE_SECONDS", 0.0)
    config = moved(failed, tmp_path, lambda text: text)
    root, name = config.chain.output_path, f"PixelValidity/validity_raster_{TILE}"
    timeline = root / "logs/html/timeline.html"
    shown: list[str] = []

    class Waits(runner.Watcher):
        def ended(self, result: JobResult) -> None:
            if not shown:
                with heartbeat.beating(root, name, "host:7"):
                    shown.append(wait_for_text(timeline, 'id="running"'))

    runner.run(config, runner.Options(workers=0, last_step="init"), Waits())
    row = shown[0].partition('id="running"')[2].partition("</table>")[0]
    assert name in row
    assert "host:7" in row
    assert re.search(r"<td>\d+ MiB</td>", row)
    assert 'id="running"' not in timeline.read_text(encoding="utf-8")


def wait_for_text(path: Path, text: str) -> str:
    """Content of a file as soon as it contains a text."""
    for _ in range(3000):
        content = path.read_text(encoding="utf-8")
        if text in content:
            return content
        time.sleep(0.01)
    raise AssertionError(f"{text} never comes into {path}")


def moved(failed: Failed, folder: Path, edit: Callable[[str], str]) -> Config:
    """The configuration with another output folder."""
    text = failed.config.read_text(encoding="utf-8").replace(str(failed.site.parents[1]), str(folder / "results"))
    (folder / "run.cfg").write_text(edit(text), encoding="utf-8")
    return load_config(folder / "run.cfg")


# ------------------------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1300,1400"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.implicitly_wait(5)
    yield driver
    driver.quit()


def browser_errors(browser: webdriver.Chrome) -> list[str]:
    """Errors and warnings of the browser."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def cells(browser: webdriver.Chrome, kind: str) -> list[WebElement]:
    return browser.find_elements(By.CSS_SELECTOR, f"#graph .cell.{kind}")


@in_browser
@pytest.mark.parametrize("page", ["index.html", "tasks_status_1.html"])
def test_a_click_on_a_failed_job_opens_its_log(failed: Failed, browser: webdriver.Chrome, page: str) -> None:
    browser.get(failed.address(page))
    (red,) = cells(browser, "failed")
    red.click()
    log = browser.find_element(By.ID, "log")
    assert "/jobs/samplesExtraction-" in browser.current_url
    assert browser.find_element(By.TAG_NAME, "h1").text == f"extraction_{TILE}_part_0"
    assert UNSAFE_SUFFIX in log.find_element(By.ID, "err").text
    assert browser_errors(browser) == []


@in_browser
def test_a_click_on_a_blocked_job_shows_the_failed_job(failed: Failed, browser: webdriver.Chrome) -> None:
    browser.get(failed.address("tasks_status_1.html"))
    cells(browser, "blocked")[0].click()
    assert "needs samplesExtraction/" in browser.find_element(By.ID, "panel").text


@in_browser
def test_the_search_highlights_hits_and_fades_other_jobs(failed: Failed, browser: webdriver.Chrome) -> None:
    browser.get(failed.address("tasks_status_1.html"))
    field = browser.find_element(By.ID, "search")
    field.clear()
    field.send_keys(f"part_0 extraction_{TILE.lower()}")
    (hit,) = cells(browser, "hit")
    assert "failed" in hit.get_attribute("class").split()
    assert browser.find_element(By.ID, "found").text == "1 job"
    assert len(cells(browser, "dim")) == len(cells(browser, "dim, #graph .cell.hit")) - 1
    browser.refresh()
    assert len(cells(browser, "hit")) == 1, "the search is kept on reload"
    field = browser.find_element(By.ID, "search")
    field.clear()
    field.send_keys("t31tcj region 2")
    steps = {
        hit.find_element(By.TAG_NAME, "title").get_attribute("textContent").split(":")[0]
        for hit in cells(browser, "hit")
    }
    assert steps == {"statsSamplesModel", "samplesExtractionMerge", "classificationMerge"}
    field.clear()
    browser.execute_script("sessionStorage.clear()")


@in_browser
def test_the_graph_can_be_panned_and_zoomed(failed: Failed, browser: webdriver.Chrome) -> None:
    browser.get(failed.address("tasks_status_1.html"))
    before = cells(browser, "failed")[0].rect
    browser.find_element(By.ID, "closer").click()
    time.sleep(0.3)
    closer = cells(browser, "failed")[0].rect
    assert closer["width"] > before["width"]
    graph = browser.find_element(By.CSS_SELECTOR, "#graph svg")
    ActionChains(browser).move_to_element(graph).click_and_hold().move_by_offset(60, 0).release().perform()
    time.sleep(0.3)
    assert cells(browser, "failed")[0].rect["x"] == pytest.approx(closer["x"] + 60, abs=2)
    assert browser.current_url == failed.address("tasks_status_1.html"), "dragging is not a click"
    browser.find_element(By.ID, "whole").click()
    time.sleep(0.3)
    assert cells(browser, "failed")[0].rect["width"] == pytest.approx(before["width"], rel=0.02)
    browser.execute_script("sessionStorage.clear()")


@in_browser
def test_the_graph_can_be_used_with_the_keyboard(failed: Failed, browser: webdriver.Chrome) -> None:
    browser.get(failed.address("tasks_status_1.html"))
    browser.find_element(By.ID, "whole").click()

    def tab_to(kind: str) -> None:
        for _ in range(100):
            ActionChains(browser).send_keys(Keys.TAB).perform()
            focused = (
                "const at = document.activeElement; return (at.querySelector('.cell') || at).getAttribute('class')"
            )
            if kind in (browser.execute_script(focused) or "").split():
                return
        raise AssertionError(f"no {kind} job is reached")

    tab_to("blocked")
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert "needs samplesExtraction/" in browser.find_element(By.ID, "panel").text
    browser.refresh()
    tab_to("failed")
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert browser.find_element(By.ID, "log")
    assert "/jobs/samplesExtraction-" in browser.current_url


@in_browser
@pytest.mark.parametrize("width", [1000, 400])
def test_no_page_is_wider_than_the_window(failed: Failed, browser: webdriver.Chrome, width: int) -> None:
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        for page in sorted(failed.site.rglob("*.html")):
            browser.get(page.as_uri())
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width, page
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@in_browser
def test_every_page_loads_without_errors_and_runs_no_injected_script(failed: Failed, browser: webdriver.Chrome) -> None:
    for page in sorted(failed.site.rglob("*.html")):
        browser.get(page.as_uri())
        assert browser.find_element(By.TAG_NAME, "h1").text
        assert browser.find_element(By.TAG_NAME, "section").value_of_css_property("border-radius") == "10px"
        assert browser_errors(browser) == [], page


# ------------------------------------------------------------------------------------------------- errors of the report


def test_a_report_that_cannot_be_written_gives_a_warning_and_the_run_continues(failed: Failed, tmp_path: Path) -> None:
    config = moved(failed, tmp_path, lambda text: text)
    root = config.chain.output_path
    (root / ".iota2").mkdir(parents=True)
    (root / "logs").mkdir()
    (root / "logs/html").write_text("in the way", encoding="utf-8")
    listener = Listener()
    results = runner.run(config, runner.Options(workers=0, last_step="init"), listener)
    assert {result.state for result in results.values()} == {"done"}
    assert len([line for line in listener.reported if "run report" in line and "the run continues" in line]) == 1
