"""Step: cleaned regions from the user's file, or a single region without a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.graph import JobContext, Step
from iota2.core.tables import REGION, SINGLE_REGION
from iota2.io.tables.reference import read_regions
from iota2.io.tables.vector_source import vector_source, with_choice
from iota2.io.tables.vectors import read_vector, write_shapefile


@dataclass(frozen=True)
class RegionParams:
    """Source and projection of the regions."""

    path: Path | None
    """None for a single region that covers all tiles."""
    field: str
    proj: str
    layer: str = ""
    """Layer of the file; see ``io.tables.vector_source``."""


def params(config: Config) -> RegionParams:
    """Parameters of the regions from the configuration."""
    chain = config.chain
    source = vector_source(chain.region_path) if chain.region_path else None
    if source is None:
        return RegionParams(None, chain.region_field, chain.proj)
    return RegionParams(source.file, chain.region_field, chain.proj, source.choice)


def run(job: JobContext[RegionParams]) -> None:
    """Write the regions in ``proj``; without a region file, one region that covers all envelopes."""
    given = job.params
    if given.path is not None:
        write_shapefile(read_regions(with_choice(given.path, given.layer), given.field, given.proj), job.out.regions)
        return
    envelopes = [read_vector(path).union_all() for path in job.inp.all("envelopes").values()]
    everywhere = gpd.GeoSeries(envelopes, crs=given.proj).union_all()
    frame = gpd.GeoDataFrame({REGION: [SINGLE_REGION]}, geometry=[everywhere], crs=given.proj)
    write_shapefile(frame, job.out.regions)


STEP = Step(
    name="genRegionVector",
    group="sampling",
    about="Write the cleaned regions.",
    task="region_generation",
    run=run,
    over=(),
    needs={"envelopes": layout.ENVELOPE},
    makes={"regions": layout.REGIONS},
    params=params,
)
