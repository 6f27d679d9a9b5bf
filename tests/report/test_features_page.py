"""The page of a features map: series, choice and size of pictures, scales, charts, HTML."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from iota2.core.feature_map import FeatureMap
from iota2.core.palettes import VEGETATION
from iota2.core.recipe import QUANTILES, FeatureRecipe, SensorRecipe
from iota2.core.user_features import UserFeatures, UserFunction
from iota2.report.features import shows
from iota2.report.features.charts import BOTTOM, HEIGHT, TOP, chart
from iota2.report.features.page import FeaturesData, Grid, ShownSeries, render_features
from iota2.report.features.pictures import colour_picture, ramp_picture
from iota2.report.features.scales import Limits, limits, number_text
from iota2.report.features.series import series_of
from iota2.report.features.shows import Frame, Show, budget, evenly, selection_of
from tests.report.test_report_page import HOSTILE, Page

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
in_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed")

DATES = ("20180101", "20180111", "20180121")
ROLES = {"blue": "B2", "green": "B3", "red": "B4", "nir": "B8"}
OPTICAL = SensorRecipe("Optical", ("B2", "B3", "B4", "B8"), ROLES, DATES, indices=("NDWI", "NDVI"))
RADAR = SensorRecipe("radar_asc", ("vv", "vh"), {}, DATES[:2], indices=())
LAYERS = SensorRecipe("Relief", ("slope",), {}, (), static=True)
NODATA = -10000.0


def map_of(*sensors: SensorRecipe, raw: FeatureRecipe | None = None, user: UserFeatures | None = None) -> FeatureMap:
    recipe = FeatureRecipe(sensors, user=user)
    return FeatureMap((recipe, raw) if raw else (recipe,), nodata=NODATA)


# --------------------------------------------------------------------------------------------- series and selection


def test_each_band_belongs_to_one_series() -> None:
    function = UserFunction("fct", labels=("soil_20180101", "soil_20180111", "cover"), dates=(*DATES[:2], ""))
    user = UserFeatures("f.py", "", (function,))
    temporal = replace(OPTICAL, expressions=("B2/B3",), temporal=("differences", "statistics"))
    raw = FeatureRecipe((replace(OPTICAL, dates=("20180103", "20180103.1"), gapfilling=False),))
    layers = map_of(temporal, RADAR, LAYERS, raw=raw, user=user)
    found = series_of(layers)
    assert sorted(k for one in found for k in one.positions) == [*range(len(layers.bands))]
    by_title = {one.title: one for one in found}
    assert len(by_title) == len(found)
    assert by_title["user: soil"].days == ("2018-01-01", "2018-01-11")
    assert by_title["user: cover"].days == by_title["Relief: slope"].days == ()
    assert by_title["Optical: userFeature1"].origin == "expression"
    assert by_title["Optical: NDVI difference"].days == ("2018-01-11", "2018-01-21")
    assert by_title["raw_Optical: NDVI"].days == ("2018-01-03", "2018-01-03 (2)")
    for one in found:
        for day, position in zip(one.days, one.positions, strict=bool(one.days)):
            assert layers.bands[position].day == day[:10]


def test_features_of_functions_are_in_the_order_of_dates_and_bands_without_date_stay_apart() -> None:
    labels = ("b_20180121", "b_20180101", "cover", "cover")
    function = UserFunction("fct", labels=labels, dates=("20180121", "20180101", "", ""))
    found = series_of(map_of(user=UserFeatures("f.py", "", (function, replace(function, name="g")))))
    assert [(one.days, one.positions) for one in found if one.days] == [
        (("2018-01-01", "2018-01-21"), (1, 0)),
        (("2018-01-01", "2018-01-21"), (5, 4)),
    ]
    assert [one.positions for one in found if not one.days] == [(2,), (3,), (6,), (7,)]


def test_a_function_named_like_an_index_is_a_function() -> None:
    function = UserFunction("NDVI", labels=("NDVI",), dates=("",), sensors=("Optical",))
    found = series_of(map_of(OPTICAL, user=UserFeatures("f.py", "", (function,))))
    assert [one.origin for one in found if one.name == "NDVI"] == ["index", "function"]


def test_natural_colours_come_from_red_green_and_blue_and_radar_from_vv_and_vh() -> None:
    layers = map_of(OPTICAL, RADAR)
    natural, radar = selection_of(layers, series_of(layers)).colours
    assert natural.channels == ("B4", "B3", "B2")
    names = [tuple(layers.names[k] for k in frame.bands) for frame in natural.frames]
    assert names == [tuple(f"Optical_{band}_{date}" for band in ("B4", "B3", "B2")) for date in DATES]
    assert radar.channels == ("vv", "vh", "vv")
    assert [frame.day for frame in radar.frames] == ["2018-01-01", "2018-01-11"]


def test_bands_are_shown_in_grey_without_natural_colours() -> None:
    layers = map_of(replace(OPTICAL, bands=("B4", "B8"), roles={"red": "B4", "nir": "B8"}, indices=()))
    found = selection_of(layers, series_of(layers))
    assert [(show.title, show.scale) for show in found.colours] == [("Optical: B4", "grey"), ("Optical: B8", "grey")]
    assert found.indices == ()


def test_ndvi_comes_first_and_differences_last() -> None:
    layers = map_of(replace(OPTICAL, expressions=("B2/B3",), temporal=("differences",)))
    titles = [show.title.removeprefix("Optical: ") for show in selection_of(layers, series_of(layers)).indices]
    assert titles[:3] == ["NDVI", "NDWI", "userFeature1"]
    assert titles[3] == "NDVI difference"
    assert not [title for title in titles if title.startswith("B")], "bands are in natural colours"


def test_statistics_of_ndvi_have_the_colours_of_ndvi_if_they_are_on_its_scale() -> None:
    layers = map_of(replace(OPTICAL, temporal=("differences", "statistics")))
    found = selection_of(layers, series_of(layers))
    green = [show.title for show in (*found.indices, *found.undated) if show.vegetation]
    quantiles = [f"Optical: NDVI {name}" for name in QUANTILES]
    assert green == ["Optical: NDVI", *quantiles, "Optical: NDVI mean"]


def test_series_that_are_too_many_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shows, "MAX_SHOWS", 2)
    monkeypatch.setattr(shows, "MAX_THUMBNAILS", 1)
    layers = map_of(OPTICAL, replace(LAYERS, bands=("slope", "height")))
    found = selection_of(layers, series_of(layers))
    assert found.hidden == ("Optical: NDWI", "Relief: height")
    assert [len(part) for part in (found.colours, found.indices, found.undated)] == [1, 1, 1]


@pytest.mark.parametrize("counts", [[], [1], [33] * 4, [33] * 40, [2000, 3], [365] * 12])
def test_pictures_fit_the_page(counts: list[int]) -> None:
    rates = [0.5] * len(counts)
    size = budget(counts, rates, 10980**2, thumbnails=60)
    used = sum(min(count, size.frames) for count in counts) * size.pixels * 0.5
    assert used + 60 * shows.THUMBNAIL_PIXELS * 0.5 <= shows.PICTURE_BYTES
    assert shows.MIN_PICTURE_PIXELS <= size.pixels <= shows.MAX_PICTURE_PIXELS
    assert size.frames == max(counts, default=1) or size.pixels == shows.MIN_PICTURE_PIXELS


def test_small_maps_have_pictures_of_all_dates() -> None:
    assert budget([400], [0.5], 6400).frames == 400
    assert budget([400], [0.5], 6400).pixels == 6400


def test_dates_are_chosen_evenly() -> None:
    frames = [Frame(str(k), (k,)) for k in range(9)]
    assert [frame.day for frame in evenly(frames, 5)] == ["0", "2", "4", "6", "8"]
    assert [frame.day for frame in evenly(frames, 1)] == ["4"]
    assert evenly(frames, 20) == tuple(frames)


# -------------------------------------------------------------------------------------------------- scales and pictures


def test_a_scale_ignores_missing_values() -> None:
    values = np.arange(101, dtype=np.float32)
    missing = np.array([NODATA, np.nan, np.inf], np.float32)
    assert limits([values, missing], NODATA) == Limits(2, 98)
    assert limits([-values], NODATA, symmetric=True) == Limits(-98, 98)
    assert limits([missing], NODATA) is None
    assert limits([], NODATA) is None
    constant = limits([np.full(5, 7, np.int16)], NODATA)
    assert constant is not None
    assert constant.low < 7 < constant.high


def decoded(webp: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(webp)).convert("RGBA")).astype(int)


def test_pixels_without_data_are_transparent() -> None:
    band = np.full((32, 32), 1000.0, np.float32)
    band[:16] = 0
    holes = band.copy()
    holes[:, :8] = NODATA
    holes[:, 8:12] = np.nan
    scale = Limits(0, 1000)
    image = decoded(colour_picture([band, band, holes], [scale] * 3, NODATA))
    assert (image[:, :12, 3] == 0).all()
    assert (image[:, 12:, 3] == 255).all()
    assert image[:12, 16:, :3].max() < 20
    assert image[20:, 16:, :3].min() > 235
    grey = decoded(colour_picture([np.full((32, 32), 500, np.int16)], [scale], NODATA))
    assert abs(grey[..., :3] - 127).max() < 6


def test_a_ramp_runs_from_its_first_to_its_last_colour() -> None:
    band = np.repeat(np.array([-50, 0, 1000, 2000], np.float32), 16)[None].repeat(32, axis=0)
    image = decoded(ramp_picture(band, Limits(0, 1000), VEGETATION, NODATA))
    first, last = (np.array(tuple(bytes.fromhex(colour[1:]))) for colour in (VEGETATION[0], VEGETATION[-1]))
    assert abs(image[16, 8, :3] - first).max() < 12
    assert abs(image[16, 56, :3] - last).max() < 12
    assert ramp_picture(band, Limits(0, 1000), VEGETATION, NODATA) == ramp_picture(
        band, Limits(0, 1000), VEGETATION, NODATA
    )


def test_a_picture_of_one_pixel_without_data() -> None:
    assert decoded(colour_picture([np.full((1, 1), NODATA)] * 3, [Limits(0, 1)] * 3, NODATA)).shape == (1, 1, 4)


# ------------------------------------------------------------------------------------------------------------- charts


def test_a_chart_has_gaps_where_dates_have_no_data() -> None:
    days = ["2018-01-01", "2018-01-02", "2018-01-03", "2018-01-05", "2018-01-06"]
    found = chart(days, [1.0, 2.0, None, 2.0, 1.0], [0.5, 0.5, None, 0.5, 0.5])
    assert found is not None
    assert len(found.dots) == 4
    assert len(found.lines) == len(found.areas) == 2
    steps = [b.x - a.x for a, b in zip(found.dots, found.dots[1:], strict=False)]
    assert steps == pytest.approx([steps[0], 3 * steps[0], steps[0]]), "positions follow time"
    assert [text for _, text in found.labels] == ["2.5", "1.5", "0.5"]
    assert chart(days[:2], [1.0, None], [0.0, None]) is None
    equal = chart(days[:2], [3.0, 3.0], [0.0, 0.0])
    assert equal is not None
    assert "nan" not in str(equal)


@pytest.mark.parametrize(("mean", "std"), [(-300.0, 5.0), (0.5, 4000.0), (9000.0, 0.0)])
def test_an_outlier_does_not_flatten_a_chart(mean: float, std: float) -> None:
    days = [f"2018-{month:02}-01" for month in range(1, 13)]
    usual = [0.2 + 0.05 * min(k, 12 - k) for k in range(12)]
    found = chart(days, [*usual[:7], mean, *usual[8:]], [*[0.1] * 7, std, *[0.1] * 4])
    without = chart([*days[:7], *days[8:]], [*usual[:7], *usual[8:]], [0.1] * 11)
    assert found is not None
    assert without is not None
    assert found.labels == without.labels
    assert [dot.y for k, dot in enumerate(found.dots) if k != 7] == [dot.y for dot in without.dots]
    assert (found.outside, without.outside) == (1, 0)
    heights = [float(y) for path in (*found.areas, *found.lines) for y in re.findall(r" ([\d.-]+)", path)]
    assert TOP - 0.1 <= min(heights) <= max(heights) <= HEIGHT - BOTTOM + 0.1
    assert f"mean {number_text(mean)}, standard deviation {number_text(std)}" in found.dots[7].about


def test_a_seasonal_change_is_no_outlier() -> None:
    days = [f"2018-{month:02}-01" for month in range(1, 13)]
    found = chart(days, [0.1] * 4 + [0.5, 0.9, 0.9, 0.5] + [0.1] * 4, [0.05] * 12)
    assert found is not None
    assert (found.outside, found.labels[0][1]) == (0, "0.95")
    flat = chart(days, [1.0] * 11 + [2.0], [0.0] * 12)
    assert flat is not None
    assert (flat.outside, flat.labels[0][1]) == (0, "2")


def test_values_outside_the_axis_are_stated() -> None:
    layers = map_of(replace(OPTICAL, dates=tuple(f"2018{month:02}01" for month in range(1, 13)), bands=("B3", "B8")))
    row = {"minimum": 0.0, "maximum": 1.0, "mean": 0.5, "std": 0.1, "valid_percent": 100.0}
    rows = [{**row, "mean": -300.0} if band.name == "Optical_NDWI_20180701" else row for band in layers.bands]
    page = Page(render_features(data_of(layers, statistics=rows)))
    assert page.text.count("1 date has values outside the axis, drawn at its edge.") == 1


def test_numbers_have_no_exponent_if_they_have_few_digits() -> None:
    assert [number_text(value) for value in (None, 0.0, 0.12345, 1460.4, 25000, 1e12)] == [
        "–", "0", "0.1235", "1,460", "25,000", "1e+12",
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- page


def webp() -> bytes:
    return colour_picture([np.full((6, 8), 1.0)], [Limits(0, 2)], NODATA)


def shown(show: Show, **changes: object) -> ShownSeries:
    pictures = tuple((frame.day, webp()) for frame in show.frames)
    scales = tuple(Limits(0, 2) for _ in show.channels)
    return replace(ShownSeries(show, scales, pictures, (8, 6)), **changes)


def data_of(layers: FeatureMap, **changes: object) -> FeaturesData:
    series = series_of(layers)
    found = selection_of(layers, series)
    row = {"minimum": -1.5, "maximum": 9.0, "mean": 2.25, "std": 1.0, "valid_percent": 12.5}
    values = FeaturesData(
        title="run",
        layers=layers,
        series=series,
        grid=Grid(800, 600, "10 m", "EPSG:2154", 8000.0),
        tiles=2,
        disk=543_210_000,
        colours=tuple(shown(show) for show in found.colours),
        indices=tuple(shown(show) for show in found.indices),
        undated=tuple(shown(show) for show in found.undated),
        hidden=found.hidden,
        statistics=[row for _ in layers.bands],
        without_data=(),
        files=(("features_map.tif", "The `map`."),),
    )
    return replace(values, **changes)


def test_the_page_shows_size_dates_series_and_statistics() -> None:
    page = Page(render_features(data_of(map_of(OPTICAL, RADAR, LAYERS))))
    for text in ("800 × 600", "543 MB", "2018-01-01 to 2018-01-21", "EPSG:2154", "The map.", "2 km", "-10000"):
        assert text in page.text
    assert ["Optical", "B2, B3, B4, B8, NDWI, NDVI", "18", "3", "2018-01-01 to 2018-01-21"] in page.rows
    assert ["2018-01-01", "-1.5", "9", "2.25", "1", "12.5"] in page.rows
    assert ["Relief: slope", "-1.5", "9", "2.25", "1", "12.5"] in page.rows


def test_only_the_first_picture_of_a_section_is_visible_without_script() -> None:
    page = Page(render_features(data_of(map_of(OPTICAL))))
    sections = [attrs for tag, attrs in page.tags if tag == "div" and attrs.get("class") == "show"]
    assert ["hidden" in attrs for attrs in sections] == [False, False, True]
    figures = [attrs for tag, attrs in page.tags if tag == "figure"]
    assert ["hidden" in attrs for attrs in figures] == 3 * [False, True, True]
    assert all(attrs["alt"] for tag, attrs in page.tags if tag == "img")


def test_the_policy_of_the_page_permits_its_script_and_embedded_pictures_only() -> None:
    text = render_features(data_of(map_of(OPTICAL, LAYERS)))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.endswith(f"script-src &#39;sha256-{digest}&#39;")
    assert "http" not in text.replace("http-equiv", "")
    sources = [attrs["src"] or "" for _, attrs in Page(text).tags if "src" in attrs]
    assert len(sources) == 3 * 3 + 1
    assert all(source.startswith("data:image/webp;base64,") for source in sources)


def test_hostile_names_are_escaped() -> None:
    hostile = replace(OPTICAL, sensor=HOSTILE)
    files = (("javascript:alert(1)", HOSTILE),)
    page = Page(
        render_features(data_of(map_of(hostile, replace(LAYERS, bands=(HOSTILE,))), title=HOSTILE, files=files))
    )
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert page.text.count(HOSTILE) > 10
    assert "javascript%3Aalert%281%29" in [attrs.get("href") for _, attrs in page.tags]


def test_dates_without_picture_are_named() -> None:
    layers = map_of(OPTICAL)
    (natural,) = selection_of(layers, series_of(layers)).colours
    one = shown(natural)
    fewer = replace(one, pictures=one.pictures[::2], left_out=("2018-01-11",))
    page = Page(render_features(data_of(layers, colours=(fewer,), hidden=("Optical: NDRE",))))
    text = " ".join(page.text.split())
    assert "2 of 3 dates, evenly chosen. Without picture, to limit the size of the page: 2018-01-11." in text
    assert "Without pictures, to limit the size of the page: Optical: NDRE." in text


def test_a_map_without_dates_has_pictures_in_a_list() -> None:
    page = Page(render_features(data_of(map_of(LAYERS))))
    assert "Bands without date" in page.text
    assert "Images by date" not in page.text
    assert ["Relief", "slope", "1", "0", "without dates"] in page.rows


def test_a_series_without_any_value_is_named() -> None:
    layers = map_of(OPTICAL, LAYERS)
    found = selection_of(layers, series_of(layers))
    empty = tuple(ShownSeries(show) for show in found.colours), tuple(ShownSeries(show) for show in found.undated)
    nothing = {"minimum": None, "maximum": None, "mean": None, "std": None, "valid_percent": 0.0}
    statistics = [nothing for _ in layers.bands]
    changes = {"colours": empty[0], "undated": empty[1], "statistics": statistics, "without_data": layers.names}
    page = Page(render_features(data_of(layers, **changes)))
    first = ", ".join(layers.names[:5])
    assert f"19 of 19 bands of the features map have no data in any pixel: {first} and 14 more." in page.text
    assert "have no data in any pixel" not in Page(render_features(data_of(layers))).text
    assert "No pixel has data." in page.text
    assert "Relief: slope: no pixel has data" in page.text
    assert ["2018-01-01", "–", "–", "–", "–", "0.0"] in page.rows
    assert "svg" not in [tag for tag, _ in page.tags]


@pytest.fixture
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,1400"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@in_browser
def test_dates_and_series_are_selected_by_keyboard(tmp_path: Path, browser: webdriver.Chrome) -> None:
    path = tmp_path / "page.html"
    path.write_text(render_features(data_of(map_of(OPTICAL, RADAR))), encoding="utf-8")
    browser.get(path.as_uri())
    section = browser.find_element(By.ID, "indices")
    slider = section.find_element(By.CSS_SELECTOR, "input[type=range]")

    def visible() -> list[str]:
        pictures = section.find_elements(By.TAG_NAME, "img")
        return [one.get_attribute("alt") or "" for one in pictures if one.is_displayed()]

    assert visible() == ["Optical: NDVI, 2018-01-01"]
    slider.send_keys(Keys.ARROW_RIGHT)
    assert visible() == ["Optical: NDVI, 2018-01-11"]
    assert section.find_element(By.TAG_NAME, "output").text == "2018-01-11 (2 of 3)"
    Select(section.find_element(By.TAG_NAME, "select")).select_by_visible_text("Optical: NDWI")
    assert visible() == ["Optical: NDWI, 2018-01-11"], "the date is kept"
    loaded = "return [...document.images].every(i => i.complete && i.naturalWidth == 8)"
    assert browser.execute_script(loaded)
    field = browser.find_element(By.CSS_SELECTOR, "input[type=search]")
    field.send_keys("radar vh")
    cards = browser.find_elements(By.CSS_SELECTOR, "#statistics article")
    assert [card.get_attribute("data-name") for card in cards if card.is_displayed()] == ["radar_asc: vh"]
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
