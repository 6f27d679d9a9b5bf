"""Parcels of the synthetic landscape as a farm register, with some wrong declarations."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd

from iota2.core.random import generator
from iota2.io.tables.polygon_layers import write_small_geopackage
from iota2.testing.files import WorldFiles
from iota2.testing.landscape import COLUMNS, ROWS
from iota2.testing.reference import CRS
from iota2.testing.world import World

WRONG_SHARE = 0.03
"""Share of the parcels that are declared as another class."""
LAYER = "parcels"
"""Name of the layer."""


def farm_register(world: World) -> gpd.GeoDataFrame:
    """All visible fields with their number ``parcel``, the declared class ``code`` and the true class ``truth``.

    ``WRONG_SHARE`` of them, drawn at random, are declared as another class.
    """
    landscape = world.landscape
    visible, hamlets = set(world.fields.tolist()), np.unique(world.fields // (COLUMNS * ROWS))
    fields = [field for field in landscape.fields_of(hamlets) if field.field in visible]
    truth = np.array([field.code for field in fields], np.int32)
    rng = generator(world.options.seed, "wrong declarations")
    declared = truth.copy()
    for k in rng.permutation(len(fields))[: round(WRONG_SHARE * len(fields))]:
        declared[k] = rng.choice(landscape.codes[landscape.codes != truth[k]])
    numbers = np.arange(1, len(fields) + 1)
    columns = {"parcel": numbers, "code": declared, "truth": truth}
    return gpd.GeoDataFrame(columns, geometry=[field.polygon for field in fields], crs=CRS)


def write_parcels(world: World, files: WorldFiles) -> None:
    """Write the register, and the true classes in a separate file, which no run reads."""
    register = farm_register(world)
    write_small_geopackage(register.drop(columns="truth"), files.parcels, LAYER)
    truth = pd.DataFrame(register.drop(columns="geometry")).rename(columns={"code": "declared"})
    files.parcels_truth.write_text(truth.to_csv(index=False), encoding="utf-8")
