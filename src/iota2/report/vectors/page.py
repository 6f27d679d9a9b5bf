"""The page of the polygons of a map: number and area of the polygons of each class, by area, as one HTML file."""

from __future__ import annotations

from dataclasses import dataclass

from iota2.core.nomenclature import Color
from iota2.core.words import counted
from iota2.report.templating import environment, link, png_uri, script_policy


@dataclass(frozen=True)
class ClassRow:
    """The polygons of a class in an area."""

    code: int
    name: str
    color: Color
    polygons: int
    hectares: float


@dataclass(frozen=True)
class AreaTable:
    """The polygons of an area."""

    name: str
    """Empty for the whole map."""
    rows: tuple[ClassRow, ...]
    """Classes with polygons, by descending area."""
    files: tuple[str, ...]
    """Paths relative to the folder of the page."""
    picture: bytes | None = None
    """PNG of the polygons, for which the table is the legend."""

    @property
    def polygons(self) -> int:
        """Number of polygons."""
        return sum(row.polygons for row in self.rows)

    @property
    def hectares(self) -> float:
        """Area of all polygons."""
        return sum(row.hectares for row in self.rows)


@dataclass(frozen=True)
class PolygonsData:
    """Content of the page; the page escapes all texts."""

    title: str
    projection: str
    areas: tuple[AreaTable, ...]
    files: tuple[str, ...]
    """Files of all areas, relative to the folder of the page."""
    picture: bytes | None = None
    """PNG of the polygons of all areas, with its legend, if there are several."""


def render_polygons(data: PolygonsData) -> str:
    """The page as HTML text, without scripts and external files."""
    templates = environment()
    templates.filters |= {"link": link, "count": "{:,}".format, "hectares": _hectares, "data_uri": png_uri}
    policy = script_policy([], images=True)
    return templates.get_template("vectors.html.j2").render(data=data, figures=_figures(data), policy=policy)


def _figures(data: PolygonsData) -> list[tuple[str, str, str]]:
    """Name, value and explanation of the key figures."""
    polygons, hectares = sum(one.polygons for one in data.areas), sum(one.hectares for one in data.areas)
    classes = len({row.code for one in data.areas for row in one.rows})
    mean = _hectares(hectares / polygons) if polygons else "–"
    return [
        ("Polygons", f"{polygons:,}", counted(len(data.areas), "area")),
        ("Area", f"{_hectares(hectares)} ha", "on the ellipsoid"),
        ("Mean polygon", f"{mean} ha" if polygons else mean, f"{classes} {'class' if classes == 1 else 'classes'}"),
    ]


def _hectares(value: float) -> str:
    """An area with two decimals below 100 ha."""
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
