"""The pages of the inputs in the run report with several sensors: names, dates, and a page for each."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from iota2.chains.load import load_config
from iota2.report.run.plots import calendars
from iota2.report.run.values import ProductView, SeriesView
from iota2.runs.options import Options
from iota2.runs.preview import preview_run
from iota2.runs.progress.listener import ReportListener
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world

ALL = ("Sentinel2", "Landsat8", "Sentinel1", "userFeat")
WEST = "T31TCJ"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages that a run writes before its first job."""
    folder = tmp_path_factory.mktemp("world")
    options = WorldOptions(size=66, overlap=18, classes=3, dates=DATES[2:10:3], sensors=ALL)
    config = load_config(write_world(make_world(options), folder).config)
    preview = preview_run(config, Options())
    site = ReportListener(config, preview.survey, preview.plan, preview.verdicts, say=lambda text: None, resume="")
    site.started()
    site.finished()
    return preview.plan.root / "logs" / "html"


def rows_of(page: Path) -> list[list[str]]:
    """Text of the cells of all table rows."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.read_text(encoding="utf-8"), re.DOTALL)
    cells = (re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows)
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells]


def test_every_sensor_has_a_calendar_and_a_table_row(pages: Path) -> None:
    page = pages / "input_files_content.html"
    titles = re.findall(r"<h2>Calendar of (\w+)</h2>", page.read_text(encoding="utf-8"))
    assert titles == ["Landsat8", "sentinel1_asc", "sentinel1_des", "Sentinel2"]
    rows = {row[1]: row for row in rows_of(page) if row[0] == WEST}
    assert list(rows) == [*titles, "userFeatures"]
    assert "30 m, EPSG:32631" in rows["Landsat8"]
    assert "10 and 20 m, EPSG:32631" in rows["Sentinel2"]
    assert rows["userFeatures"][2:5] == ["2 layers without dates", "2", "10 m, EPSG:32631; 25 m, EPSG:2154"]
    assert not [row for row in rows.values() if "0001-01-01" in row]


def test_a_note_is_shown_below_the_sensor_that_it_names(pages: Path) -> None:
    sensor, notes = "", []
    for row in rows_of(pages / "input_files_content.html"):
        sensor = row[1] if row[0].startswith("T31") else sensor
        notes += [
            (sensor, cell) for cell in row if cell.startswith(("sentinel1_", "Sentinel_2,")) and ", tile " in cell
        ]
    assert {sensor for sensor, _ in notes} >= {"sentinel1_asc", "sentinel1_des", "Sentinel2"}
    assert all(note.startswith((f"{sensor}, ", "Sentinel_2, ")) for sensor, note in notes)


def test_features_are_counted_by_sensor(pages: Path) -> None:
    page = pages / "input_files_content.html"
    total = re.search(r"(\d+) features per pixel", page.read_text(encoding="utf-8"))
    assert total
    head, *_ = (row for row in rows_of(page) if "Features" in row)
    column = head.index("Features")
    dated = [row for row in rows_of(page) if row[0] == WEST and row[1] != "userFeatures"]
    assert sum(int(row[column]) for row in dated) + 2 == int(total[1])


def test_every_sensor_has_a_page_named_after_its_option(pages: Path) -> None:
    found = {page.name for page in pages.glob("*_path_content.html")} - {"output_path_content.html"}
    assert found == {f"{key}_content.html" for key in ("l8_path", "s1_path", "s2_path", "user_feat_path")}
    linked = (pages / "input_files_content.html").read_text(encoding="utf-8")
    assert all(f'href="{name}"' in linked for name in found)


def test_both_directions_of_sentinel_1_share_a_page(pages: Path) -> None:
    text = (pages / "s1_path_content.html").read_text(encoding="utf-8")
    assert "<h1>Products of sentinel1_asc and sentinel1_des</h1>" in text
    assert re.findall(r"<summary>(\w+, \w+)", text)[:2] == [f"{WEST}, sentinel1_asc", f"{WEST}, sentinel1_des"]


def test_layers_are_shown_with_their_files(pages: Path) -> None:
    text = (pages / "user_feat_path_content.html").read_text(encoding="utf-8")
    assert "<h1>Layers of userFeatures</h1>" in text
    assert f"<summary>{WEST}: 2 layers</summary>" in text
    names = [row[0] for row in rows_of(pages / "user_feat_path_content.html") if row[0] != "Layer"]
    assert names == ["ALT_band_0", "SLP_band_0"] * 2


def test_a_remark_is_shown_with_its_sensor(pages: Path) -> None:
    text = (pages / "s2_path_content.html").read_text(encoding="utf-8")
    assert "ignored, not product folders: README.txt" in text
    assert "README.txt" not in (pages / "l8_path_content.html").read_text(encoding="utf-8")


def test_calendars_of_all_sensors_have_the_same_range() -> None:
    def series(sensor: str, *days: date) -> SeriesView:
        return SeriesView(sensor, "A", "", tuple(ProductView(day, "P", 1.0, 1.0) for day in days))

    first, middle, last = date(2018, 1, 1), date(2018, 6, 1), date(2018, 12, 31)
    one, other = calendars([series("S2", first, middle), series("L8", middle, last)])
    assert one.ticks == other.ticks
    assert one.lanes[0].marks[1].paths == other.lanes[0].marks[0].paths
