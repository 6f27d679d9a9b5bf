"""Step: number and area of the polygons of each class in each area, as a table, and as a page with pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.class_levels import ClassLevels
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import Artifact, JobContext, Step
from iota2.core.grid import short_crs
from iota2.core.words import spreadsheet_safe
from iota2.io.files.atomic import write_text
from iota2.io.tables.class_levels import read_class_levels
from iota2.io.tables.clip_areas import WHOLE_MAP
from iota2.io.tables.polygon_tables import polygon_columns, polygon_header
from iota2.report.vectors.page import AreaTable, ClassRow, PolygonsData, render_polygons
from iota2.steps.drawing import figures_module
from iota2.steps.polygon_attributes import AREA, CLASS, CLIP, expected_polygons
from iota2.steps.polygon_pictures import MapPicture, MapPictures, draw_polygons
from iota2.steps.report_parts import metres_across

_SECONDS = 15e-6
"""Seconds to count and draw a polygon."""
_GROUP_MEMORY = 200 << 20
"""Memory of the polygons of a cell with many small patches, and of the pictures."""
_FILES = (layout.AREA_LAYER, layout.AREA_SHAPEFILE, layout.AREA_FLATGEOBUF, layout.AREA_PMTILES)


@dataclass(frozen=True)
class SummaryParams:
    """What the page shows besides numbers."""

    title: str
    prefix: str
    files: tuple[Artifact, ...]
    """Files of each area."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {"title": self.title, "simplification.outprefix": self.prefix, "files": self.files}


def params(config: Config) -> SummaryParams:
    """Parameters of the step from the configuration."""
    files = tuple(one for one in _FILES if one.when(config))
    return SummaryParams(config.chain.output_path.name, config.simplification.outprefix, files)


def run(job: JobContext[SummaryParams]) -> None:
    """Write the table of all areas and classes, and the page."""
    header, levels = polygon_header(job.inp.polygons), read_class_levels(job.inp.classes)
    columns = [CLASS, AREA, *([CLIP] if CLIP in header.columns else [])]
    table = summarised(polygon_columns(job.inp.polygons, columns), levels)
    texts = {name: table[name].astype(str).map(spreadsheet_safe) for name in ("area", "name")}
    write_text(job.out.table, table.assign(**texts).to_csv(index=False, float_format="%.4f"))
    crs = short_crs(header.crs.to_wkt())
    projection = f"{header.crs.name} ({crs})" if crs.startswith("EPSG") else header.crs.name
    tables = [_area(str(name), rows, levels, job.params) for name, rows in table.groupby("area", sort=False)]
    if CLIP not in header.columns:
        tables = [replace(one, name="") for one in tables]
    areas, whole = _with_pictures(tables, draw_polygons(job.inp.polygons), levels)
    every = (_relative(layout.ALL_POLYGONS, job.params, ""), _relative(layout.POLYGON_CLASSES, job.params, ""))
    write_text(job.out.page, render_polygons(PolygonsData(job.params.title, projection, areas, every, whole)))


def _with_pictures(
    areas: Sequence[AreaTable], pictures: MapPictures, levels: ClassLevels
) -> tuple[tuple[AreaTable, ...], bytes | None]:
    """The areas with their pictures, and the picture of all areas if there are several."""
    if len(areas) == 1:
        return (replace(areas[0], picture=_png(pictures.whole, levels)),), None
    drawn = tuple(replace(one, picture=_png(pictures.areas.get(one.name), levels)) for one in areas)
    return drawn, _png(pictures.whole, levels, legend=True)


def _png(picture: MapPicture | None, levels: ClassLevels, *, legend: bool = False) -> bytes | None:
    """A picture as PNG, with the colours of the classes."""
    if picture is None:
        return None
    png: bytes = figures_module().map_quicklook(
        picture.codes, levels.classes, metres_across(picture.grid), legend=legend
    )
    return png


def summarised(tables: Iterable[pd.DataFrame], levels: ClassLevels) -> pd.DataFrame:
    """Number of polygons and hectares of each class in each area, in the order of areas, the largest class first.

    ``tables``: columns ``CLASS``, ``AREA`` in m² and, with clip areas, ``CLIP``.
    """
    parts = [
        table.assign(area=table.get(CLIP, WHOLE_MAP), code=table[CLASS], hectares=table[AREA] / 1e4)
        .groupby(["area", "code"], sort=False)
        .agg(polygons=("hectares", "size"), hectares=("hectares", "sum"))
        .reset_index()
        for table in tables
    ]
    empty = pd.DataFrame({"area": [], "code": [], "polygons": [], "hectares": []})
    every = pd.concat(parts) if parts else empty
    found = every.groupby(["area", "code"], sort=False).sum().reset_index()
    order = {name: place for place, name in enumerate(found["area"].drop_duplicates())}
    found = found.sort_values(
        ["area", "hectares", "code"],
        ascending=[True, False, True],
        key=lambda column: column.map(order) if column.name == "area" else column,
    )
    names = [levels.classes.name(int(code)) for code in found["code"]]
    found.insert(2, "name", pd.Series(names, index=found.index, dtype="str"))
    return found.reset_index(drop=True)


def _area(name: str, rows: pd.DataFrame, levels: ClassLevels, given: SummaryParams) -> AreaTable:
    """The table of an area."""
    found = tuple(
        ClassRow(code, text, levels.classes.color(code), polygons, hectares)
        for code, text, polygons, hectares in zip(
            rows["code"].astype(int).tolist(),
            rows["name"].tolist(),
            rows["polygons"].astype(int).tolist(),
            rows["hectares"].tolist(),
            strict=True,
        )
    )
    files = tuple(_relative(one, given, name) for one in given.files)
    return AreaTable(name, found, files)


def _relative(artifact: Artifact, given: SummaryParams, area: str) -> str:
    """Path of a file, relative to the folder of the page."""
    path = artifact.path.format(outprefix=given.prefix, area=area)
    return path.removeprefix(layout.POLYGON_PAGE.path.rpartition("/")[0] + "/")


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the polygons of a row group are in memory."""
    return Cost(facts.allowed + _GROUP_MEMORY, SECONDS_PER_JOB + expected_polygons(facts) * _SECONDS, 0.0)


STEP = Step(
    name="polygonsSummary",
    group="lcstatistics",
    about="Write number and area of the polygons of each class.",
    task="polygons_summary",
    run=run,
    over=(),
    needs={"polygons": layout.ALL_POLYGONS, "classes": layout.CLASS_LEVELS},
    makes={"table": layout.POLYGON_CLASSES, "page": layout.POLYGON_PAGE},
    params=params,
    cost=cost,
)
