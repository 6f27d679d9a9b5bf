"""The page of a features map as one self-contained HTML file."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from iota2.core import palettes
from iota2.core.feature_map import FeatureMap, without_data_text
from iota2.core.words import counted, size_text, some
from iota2.report.features.charts import HEIGHT, LEFT, WIDTH, Chart, chart
from iota2.report.features.scales import LOWER_PERCENT, UPPER_PERCENT, Limits, number_text
from iota2.report.features.series import Series
from iota2.report.features.shows import Show
from iota2.report.templating import asset, environment, link, script_policy

PICTURE_WIDTH = 700
"""Width in pixels at which pictures of small maps are displayed."""
MAX_LISTED = 30
"""Maximum number of names in a list of dates or series."""


@dataclass(frozen=True)
class ShownSeries:
    """A series with its pictures."""

    show: Show
    scales: tuple[Limits, ...] = ()
    """Scale of each colour, or of the only band; empty if no pixel has data."""
    pictures: tuple[tuple[str, bytes], ...] = ()
    """Day and WebP of each picture; empty if no pixel has data."""
    size: tuple[int, int] = (0, 0)
    """Columns and rows of the pictures."""
    left_out: tuple[str, ...] = ()
    """Days without picture, because too many would not fit the page."""


@dataclass(frozen=True)
class Grid:
    """The grid of the map."""

    width: int
    height: int
    pixel: str
    """Size of a pixel with its unit."""
    projection: str
    metres: float | None
    """Width of the map in metres; None if it is in degrees."""


@dataclass(frozen=True)
class FeaturesData:
    """Content of the page of a features map; the page escapes all texts."""

    title: str
    layers: FeatureMap
    series: tuple[Series, ...]
    grid: Grid
    tiles: int
    disk: int
    """Bytes of the files of the map."""
    colours: tuple[ShownSeries, ...]
    indices: tuple[ShownSeries, ...]
    undated: tuple[ShownSeries, ...]
    hidden: tuple[str, ...]
    """Titles of series without pictures, because too many would not fit the page."""
    statistics: Sequence[Mapping[str, float | None]]
    """Statistics of each band: minimum, maximum, mean, std, valid_percent."""
    without_data: Sequence[str]
    """Names of the bands that have no data in any pixel."""
    files: tuple[tuple[str, str], ...]
    """Paths relative to the folder of the page, with one sentence each."""


def render_features(data: FeaturesData) -> str:
    """The page as HTML text with embedded pictures and one script, without external files."""
    templates = environment()
    templates.filters |= {"data_uri": _data_uri, "link": link, "number": number_text}
    script = asset("features.js")
    return templates.get_template("features.html.j2").render(
        data=data,
        figures=_key_figures(data),
        sensors=_sensor_rows(data.series),
        groups=[_group(one, data.statistics) for one in data.series if one.days],
        singles=[(one.title, data.statistics[one.positions[0]]) for one in data.series if not one.days],
        shows=((COLOURS, data.colours), (INDICES, data.indices)),
        shown_width=_shown_width,
        scale_bar=_scale_bar(data.grid.metres) if data.grid.metres else None,
        gradient=lambda show: ", ".join(ramp_of(show)),
        missing=_missing_sentence,
        empty=without_data_text(data.without_data, len(data.layers.bands)) if data.without_data else "",
        hidden=some(data.hidden, MAX_LISTED) if data.hidden else "",
        percentiles=f"{LOWER_PERCENT:g} to {UPPER_PERCENT:g} %",
        chart_size=(WIDTH, HEIGHT, LEFT),
        script=Markup(script),
        policy=script_policy([script], images=True),
    )


@dataclass(frozen=True)
class _Section:
    """A section of pictures with a slider."""

    key: str
    title: str
    choice: str
    """Label of the choice of the series."""


COLOURS = _Section("colours", "Images by date", "Sensor")
INDICES = _Section("indices", "Indices by date", "Series")


def ramp_of(show: Show) -> tuple[str, ...]:
    """Colours of the values of a series."""
    if show.difference:
        return palettes.DIFFERENCE
    return palettes.VEGETATION if show.vegetation else palettes.PROBABILITY


def _key_figures(data: FeaturesData) -> list[tuple[str, str, str]]:
    """Name, value and explanation of the key figures."""
    days = sorted({day[:10] for one in data.series for day in one.days})
    sensors = dict.fromkeys(one.sensor for one in data.series)
    grid = data.grid
    period = f"{days[0]} to {days[-1]}" if days else ""
    return [
        ("Bands", f"{len(data.layers.bands):,}", f"{data.layers.dtype}, no data: {data.layers.nodata:g}"),
        ("Dates", f"{len(days):,}", period),
        ("Size", f"{grid.width:,} × {grid.height:,}", f"pixels of {grid.pixel}"),
        ("On disk", size_text(data.disk), f"{counted(data.tiles, 'tile')} of {counted(len(sensors), 'sensor')}"),
    ]


def _sensor_rows(series: Sequence[Series]) -> list[dict[str, object]]:
    """Sensor, names of its series, number of dates and their period."""
    rows = []
    for sensor in dict.fromkeys(one.sensor for one in series):
        members = [one for one in series if one.sensor == sensor]
        days = sorted({day for one in members for day in one.days})
        rows.append(
            {
                "sensor": sensor,
                "names": some([*dict.fromkeys(one.source for one in members)], MAX_LISTED),
                "bands": sum(len(one.positions) for one in members),
                "dates": len(days),
                "period": f"{days[0][:10]} to {days[-1][:10]}" if days else "without dates",
            }
        )
    return rows


@dataclass(frozen=True)
class _Group:
    """Statistics of a series by date."""

    title: str
    rows: tuple[tuple[str, Mapping[str, float | None]], ...]
    """Day and statistics of each band."""
    chart: Chart | None


def _group(one: Series, statistics: Sequence[Mapping[str, float | None]]) -> _Group:
    found = [statistics[position] for position in one.positions]
    drawn = chart(one.days, [row["mean"] for row in found], [row["std"] for row in found])
    return _Group(one.title, tuple(zip(one.days, found, strict=True)), drawn)


def _missing_sentence(shown: ShownSeries) -> str:
    """The dates without picture as a sentence; empty if there are none."""
    if not shown.left_out:
        return ""
    number = len(shown.pictures)
    days = some(shown.left_out, MAX_LISTED)
    total = number + len(shown.left_out)
    return f"{number} of {total} dates, evenly chosen. Without picture, to limit the size of the page: {days}."


def _shown_width(size: tuple[int, int]) -> int:
    """Width at which a picture is displayed: small ones are enlarged."""
    columns, rows = size
    return max(columns, PICTURE_WIDTH * columns // max(columns, rows))


@dataclass(frozen=True)
class _ScaleBar:
    """A scale bar below a picture."""

    percent: float
    """Length in percent of the width of the picture."""
    text: str


def _scale_bar(metres: float) -> _ScaleBar:
    """A bar of a round length, at most a quarter of ``metres``, the width of the picture."""
    power = 10 ** math.floor(math.log10(metres / 4))
    length = next(step * power for step in (5, 2, 1) if step * power <= metres / 4)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    return _ScaleBar(round(100 * length / metres, 2), text)


def _data_uri(webp: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(webp).decode("ascii")
