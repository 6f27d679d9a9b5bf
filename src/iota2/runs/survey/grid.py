"""Tiles that a grid defines, and the rasters that are cut to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.tile_resampling import covers, method_of
from iota2.config.options.chain import MAX_TILES
from iota2.config.options.schema import Config
from iota2.core.grid import aligned_grid, described, resolution
from iota2.core.recipe import FeatureRecipe
from iota2.core.remarks import Remark, remarks_about
from iota2.core.scene import Scene
from iota2.core.user_raster import UserRaster
from iota2.core.words import counted, numbered_bands, some
from iota2.errors import InputError, InputProblems
from iota2.io.archive.coverage import bounds_in, covered_share
from iota2.io.archive.headers import HeaderReader
from iota2.io.archive.user_rasters import ASSUMED, rasters_in, read_user_raster, unknown_names
from iota2.io.tables.tile_polygons import read_tile_polygons, require_tiles, tile_name_problems
from iota2.runs.survey.extent import MAX_SIDE_PIXELS, RESOLUTION_OPTION, projection_notes
from iota2.runs.survey.images import Images
from iota2.runs.survey.problems import Problems, about_field

_TILES = ("grid", "tile_field", "rasters_grid_path", "list_tile", "spatial_resolution", "proj")
"""Options that define the tiles."""
MAX_ROUNDING_PIXELS = 0.01
"""Part of a pixel by which a polygon may exceed the grid of its tile."""


def find_grid(problems: Problems) -> Images:
    """The grids of the tiles, without images, and the rasters; their problems are added to ``problems``."""
    config, attempt = problems.config, problems.attempt
    usable = problems.usable(*(f"chain.{key}" for key in _TILES))
    source = "rasters_grid_path" if config.chain.rasters_grid_path else "grid"
    grids = (attempt(lambda: _tile_grids(config), "chain", source) if usable else None) or {}
    rasters = _rasters(problems)
    for text in _uncovered_problems(rasters, grids):
        problems.add(("chain", "features_nodata"), text)
    outside = [raster for raster in rasters if grids and _is_outside(raster, grids)]
    of_tiles = [raster for raster in rasters if raster not in outside]
    complete = bool(grids and rasters)
    return Images(
        sensors=(),
        scenes={tile: Scene(tile, grid, ()) for tile, grid in grids.items()},
        footprints={},
        notes={
            tile: remarks_about(_coverage_notes(tile, grid, of_tiles), "images", tile=tile)
            for tile, grid in grids.items()
        },
        complete=complete,
        recipe=FeatureRecipe(()) if complete else None,
        rasters=rasters,
        raster_remarks=(
            *_grid_remarks(config, grids),
            *(_outside_remark(raster, grids) for raster in outside),
            *(_resampling_remark(raster, grids) for raster in rasters),
        )
        if complete
        else (),
    )


# ---------------------------------------------------------------------------------------------------- tiles


def _tile_grids(config: Config) -> dict[str, GeoBox]:
    """The grid of each tile; InputError with the problems of the option that defines the tiles, or of another one."""
    chain = config.chain
    if chain.rasters_grid_path:
        grids = _grids_of_rasters(chain.rasters_grid_path, chain.list_tile)
    else:
        grids = _grids_of_polygons(config)
    folders = {folder.lower() for folder in layout.named_folders()}
    if reserved := [tile for tile in grids if tile.lower() in folders]:
        raise InputError(f"a tile cannot have the name {reserved[0]}, which is a folder of output folders; rename it")
    if len(grids) > MAX_TILES:
        raise InputError(f"has {len(grids):,} tiles; expected at most {MAX_TILES:,}. Select some with chain.list_tile")
    return {tile: grids[tile] for tile in chain.list_tile or grids}


def _grids_of_polygons(config: Config) -> dict[str, GeoBox]:
    """The smallest grids with pixel edges at multiples of the pixel size that cover the polygons of the tiles."""
    chain, size = config.chain, config.chain.spatial_resolution
    assert chain.grid is not None, "required by a rule"
    assert chain.tile_field is not None, "required by a rule"
    assert size is not None, "required by a rule"
    with about_field("tile_field"):
        polygons = read_tile_polygons(chain.grid, chain.tile_field, chain.proj, chain.list_tile)
    grids = {tile: aligned_grid(_within(polygon.bounds, size), size, chain.proj) for tile, polygon in polygons.items()}
    problems = []
    for tile, polygon in polygons.items():
        west, south, east, north = polygon.bounds
        if size[0] > east - west or size[1] > north - south:
            sides = f"{east - west:g} x {north - south:g}"
            problems.append(
                f"a pixel of {size[0]:g} x {size[1]:g} is larger than tile {tile}, which measures {sides} in "
                f"{chain.proj}"
            )
        elif max(grids[tile].shape) > MAX_SIDE_PIXELS:
            side = max(grids[tile].shape)
            problems.append(f"tile {tile} would have {side:,} rows or columns; expected at most {MAX_SIDE_PIXELS:,}")
    if problems:
        raise InputProblems([(RESOLUTION_OPTION, text) for text in problems])
    return grids


def _within(bounds: tuple[float, float, float, float], size: tuple[float, float]) -> tuple[float, float, float, float]:
    """Bounds without a narrow margin, so that rounding of coordinates adds no pixels."""
    x, y = (MAX_ROUNDING_PIXELS * side for side in size)
    return bounds[0] + x, bounds[1] + y, bounds[2] - x, bounds[3] - y


def _grids_of_rasters(folder: Path, tiles: Collection[str]) -> dict[str, GeoBox]:
    """The grids of the rasters in a folder, by tile; of ``tiles`` only, unless it is empty."""
    files, problems = rasters_in([folder])
    if problems:
        raise InputError("\n".join(problems))
    require_tiles(tiles, [*files])
    problems = [f"{folder}: {text}" for text in tile_name_problems([*files])]
    headers, grids = HeaderReader(), {}
    for tile in tiles or files:
        try:
            header, faults = headers.read(str(files[tile]), 1)
        except InputError as err:
            problems.append(str(err))
            continue
        problems += [f"{fault}. Correct it with gdalwarp, or move it away" for fault in faults]
        if header is not None:
            grids[tile] = header.grid
    if problems:
        raise InputError("\n".join(problems))
    return grids


# ---------------------------------------------------------------------------------------------------- rasters


def _rasters(problems: Problems) -> tuple[UserRaster, ...]:
    """The rasters of the user; none if any has a problem."""
    chain, options = problems.config.chain, ("features_resampling", "features_nodata")
    if not problems.usable("chain.features_path", *(f"chain.{key}" for key in options)):
        return ()
    files, faults = problems.attempt(lambda: rasters_in(chain.features_path), "chain", "features_path") or ({}, [])
    for text in faults:
        problems.add(("chain", "features_path"), text)
    for key in options if files else ():
        for text in unknown_names(getattr(chain, key), [*files]):
            problems.add(("chain", key), text)
    found = []
    for path in files.values():
        raster = problems.attempt(
            lambda path=path: read_user_raster(path, chain.features_resampling, chain.features_nodata),  # type: ignore[misc]
            "chain",
            "features_path",
        )
        found += [raster] if raster else []
    return tuple(found) if len(found) == len(files) and not faults else ()


def _uncovered_problems(rasters: Sequence[UserRaster], grids: Mapping[str, GeoBox]) -> Iterator[str]:
    """Rasters of whole numbers without no-data value that do not cover all tiles."""
    for raster in rasters:
        beyond = [
            tile for tile, grid in grids.items() if raster.source.nodata is None and not covers(raster.grid, grid)
        ]
        if beyond:
            limits = np.iinfo(raster.dtype)
            yield (
                f"{raster.source.path}: does not cover {_tiles_text(beyond)}, and declares no no-data value for the "
                f"pixels outside. Give a value of type {raster.dtype} that does not occur in it, such as "
                f"{{'{raster.name}' : {limits.min or limits.max}}}, or declare it in the file (gdal_edit.py -a_nodata)"
            )


def _is_outside(raster: UserRaster, grids: Mapping[str, GeoBox]) -> bool:
    """Whether a raster covers no part of any tile."""
    return not any(covered_share(grid, raster.grid) for grid in grids.values())


def _outside_remark(raster: UserRaster, grids: Mapping[str, GeoBox]) -> Remark:
    """A warning of a raster that covers no part of any tile, with its bounds and those of the first tile."""
    tile, grid = next(iter(grids.items()))
    crs = str(grid.crs)
    return Remark(
        f"{raster.name} covers no part of any tile (x and y in {crs}: {bounds_in(raster.grid, crs)}; tile {tile}: "
        f"{bounds_in(grid, crs)}): all its pixels on the tiles are no data. Check its coordinate system, or move it "
        "out of chain.features_path",
        "outside",
    )


def _coverage_notes(tile: str, grid: GeoBox, rasters: Sequence[UserRaster]) -> Iterator[str]:
    """Notes on rasters that do not cover a tile, but at least a part of another one."""
    for raster in rasters:
        if covers(raster.grid, grid):
            continue
        share, crs = covered_share(grid, raster.grid), str(grid.crs)
        if share == 0:
            yield (
                f"tile {tile}: {raster.name} covers no part of it (x and y in {crs}: {bounds_in(raster.grid, crs)}; "
                f"the tile: {bounds_in(grid, crs)}): all pixels are no data"
            )
        else:
            yield f"tile {tile}: {raster.name} covers {share:.1%} of it; pixels outside are no data"


def _grid_remarks(config: Config, grids: Mapping[str, GeoBox]) -> Iterator[Remark]:
    """Remarks on a projection that does not fit the location of the tiles."""
    if config.chain.grid:
        yield from remarks_about(projection_notes(config.chain.proj, grids), "extent")


def _resampling_remark(raster: UserRaster, grids: Mapping[str, GeoBox]) -> Remark:
    """The kind of a raster, with the reason, and its method on each tile."""
    kind = raster.source.resampling
    tiles: dict[str, list[str]] = {}
    for tile, grid in grids.items():
        tiles.setdefault(method_of(kind, raster.grid, grid), []).append(tile)
    methods = "; ".join(f"{_METHODS[method]} ({_tiles_text(of_method)})" for method, of_method in tiles.items())
    size = " x ".join(f"{side:g}" for side in dict.fromkeys(resolution(raster.grid)))
    bands = counted(raster.bands, "band")
    file = f"{raster.name} ({bands}, {raster.dtype}, {described(raster.grid)}, pixels of {size})"
    why = f"{kind} ({raster.reason})"
    if raster.reason == ASSUMED:
        why = f"assumed to be {why}; for codes, set chain.features_resampling : {{'{raster.name}' : 'categorical'}}"
    left_out = ""
    if raster.alpha_bands:
        text = f"{numbered_bands(raster.alpha_bands)} (transparency)"
        left_out = f"; {text} left out, and pixels where it is 0 are no data"
    return Remark(f"{file}: {methods}; {why}{left_out}", "resampling")


_METHODS: Mapping[str, str] = {
    "copy": "copied, since pixels are aligned",
    "nearest": "nearest pixel",
    "mode": "most frequent value",
    "bilinear": "bilinear interpolation",
    "average": "mean",
}
"""Words for each method of resampling."""


def _tiles_text(tiles: Sequence[str]) -> str:
    return f"{'tile' if len(tiles) == 1 else 'tiles'} {some(tiles)}"
