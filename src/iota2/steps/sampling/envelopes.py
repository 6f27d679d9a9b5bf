"""Step: assignment of the area to tiles."""

from __future__ import annotations

import geopandas as gpd
import shapely

from iota2 import layout
from iota2.compute.areas import BORDER_METRES, tile_envelopes
from iota2.core.graph import JobContext, Step
from iota2.errors import InputError
from iota2.io.files.crs import sliver_area, units_per_metre
from iota2.io.tables.vectors import read_vector, write_shapefile


def run(job: JobContext) -> None:
    """Write the envelope of each tile; overlaps are assigned so that each point belongs to one tile."""
    frames = {key.tile: read_vector(path) for key, path in job.inp.each("footprints")}
    footprints = {tile: frame.union_all() for tile, frame in frames.items()}
    if all(footprint.is_empty for footprint in footprints.values()):
        raise InputError(
            f"Tiles {', '.join(footprints)}: no pixel is inside an image of every sensor (common mask), so there is "
            "nothing to learn from or to map. Check the edge masks of the products (features/<tile>/tmp/"
            "MaskCommunSL.tif). If sensors cover different areas, set arg_classification.missing_sensors to models "
            "(which has no effect with arg_train.context or enable_autocontext), or chain.allow_missing_sensor to True."
        )
    crs, (_, bottom, _, top) = next(iter(frames.values())).crs, shapely.total_bounds([*footprints.values()])
    border = BORDER_METRES * units_per_metre(crs, (bottom + top) / 2)
    envelopes = tile_envelopes(footprints, border, smallest=sliver_area(crs))
    for key, path in job.out.each("envelopes"):
        envelope = envelopes[key.tile]
        geometry = [] if envelope.is_empty else [envelope]
        frame = gpd.GeoDataFrame({"tile": [key.tile] * len(geometry)}, geometry=geometry, crs=crs)
        write_shapefile(frame, path)


STEP = Step(
    name="Envelope",
    group="sampling",
    about="Assign overlaps to tiles.",
    task="tiles_envelopes",
    run=run,
    over=(),
    needs={"footprints": layout.COMMON_MASK_VECTOR},
    makes={"envelopes": layout.ENVELOPE},
)
