"""Series of the sensors on each tile, and the working grid of the tile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odc.geo.geobox import GeoBox

from iota2.chains import chain_of
from iota2.config.options.schema import Config
from iota2.config.options.sensors import RADAR
from iota2.config.recipes import season_notes
from iota2.config.sensors import images_option
from iota2.core.grid import crs_name, resolution
from iota2.core.remarks import Remark, remarks_about
from iota2.core.scene import Scene, SensorScene
from iota2.core.sensor import SensorOptions
from iota2.errors import InputError, InputProblems, MissingTile
from iota2.io.archive.coverage import bounds_in, covered_share
from iota2.io.archive.layers import interpolated_integer_notes, scan_layers
from iota2.io.archive.products import native_geobox, scan_tile, several_a_day, working_geobox
from iota2.io.archive.radar_names import named_like
from iota2.io.archive.s1tiling import series_found
from iota2.io.archive.specs import builtin_specs
from iota2.io.files.crs import units_per_metre
from iota2.runs.records.damage import known_damage
from iota2.runs.survey.extent import RESOLUTION_OPTION, finest_pixel, size_problems

if TYPE_CHECKING:
    from iota2.io.stac.products import ItemsByTile

Series = tuple[SensorScene, ...]
"""Series of the sensors on one tile, in the order of features."""

ALLOW_MISSING_HINT = " Or set chain.allow_missing_sensor to True: then its features are missing values there."
MODELS_HINT = " Or set arg_classification.missing_sensors to models: then models of the other sensors are used there."

MIN_COVERAGE = 0.1
"""Share of a tile below which the coverage of a sensor or layer is reported."""


@dataclass(frozen=True)
class Items:
    """The STAC items of a run."""

    by_sensor: Mapping[str, ItemsByTile]
    """Items of each tile, by name of the sensor."""
    remarks: tuple[Remark, ...] = ()
    """Remarks on ignored items."""


def read_stac(config: Config, sensors: Sequence[SensorOptions]) -> Items:
    """The STAC items of all sensors; none if the configuration has no source of items."""
    stac = config.chain.stac_items
    if stac is None:
        return Items({})
    from iota2.io.stac.items import Search, read_items  # noqa: PLC0415 - loads pystac, which takes long
    from iota2.io.stac.products import items_by_tile  # noqa: PLC0415

    search = Search(
        stac.source,
        tuple(stac.collections),
        start=stac.start_date,
        end=stac.end_date,
        bbox=stac.bbox,
        remote=stac.remote,
        skip_damaged=config.chain.skip_damaged_products,
    )
    found, notes = read_items(search)
    placed = {}
    for options in sensors:
        if options.stac:
            spec = options.spec
            name = spec.name if spec.name in config.chain.user_sensors else spec.section
            of_sensor = [one for one in found if stac.collections[one.collection] == name]
            placed[spec.name] = items_by_tile(spec, of_sensor, config.chain.list_tile)
    return Items(placed, remarks_about(notes, "images"))


def with_images(
    config: Config, sensors: Sequence[SensorOptions]
) -> tuple[tuple[SensorOptions, ...], tuple[Remark, ...]]:
    """The enabled sensors, without an orbit direction of Sentinel-1 that has no images, and remarks on it.

    InputError if no tile has images of either direction.
    """
    radar = [options for options in sensors if options.spec.section == RADAR]
    settings = config.chain.radar
    if not radar or settings is None:
        return tuple(sensors), ()
    spec = named_like(builtin_specs()[RADAR], settings.pattern)
    found = series_found(spec, settings.output, config.chain.list_tile, settings.raw)
    values = spec.series_by.values if spec.series_by else ()
    lacking = {name: text for value, text in values if (name := spec.of(value).name) not in found}
    texts = [f"{RADAR}: no tile has {text} images, so there is no series {name}." for name, text in lacking.items()]
    return tuple(options for options in sensors if options.spec.name not in lacking), remarks_about(
        texts, "images", sensor=RADAR
    )


def scan(
    config: Config, sensors: Sequence[SensorOptions], tile: str, items: Items
) -> tuple[Series, tuple[Remark, ...]]:
    """The series of the enabled sensors on one tile (headers only), and remarks on ignored files.

    With ``allow_missing_sensor``, a sensor without images on the tile gives a remark; with models for combinations of
    sensors, one with dates. InputError with the problems of all sensors at once, or if no sensor with dates has images.
    A tile that all sensors lack, although they have others, is a problem of ``list_tile``.
    """
    unknown_tile = True
    found: list[SensorScene] = []
    remarks: list[Remark] = []
    problems: list[tuple[tuple[str | int, ...], str]] = []
    for options in sensors:
        option = images_option(options)
        missing = False
        try:
            series, of_series = _series(config, options, tile, items)
        except MissingTile as err:
            missing = err.other_tiles
            if consequence := _without_images(config, options):
                remarks.append(Remark(f"{err} {consequence}", "images", tile, options.spec.section))
            else:
                problems.append((option, str(err) + _remedy(config, options) * (len(sensors) > 1)))
        except InputError as err:
            problems.append((option, str(err)))
        else:
            found.append(series)
            remarks += of_series
        unknown_tile &= missing
    if problems or not any(not series.spec.static for series in found):
        problems = problems or [(_option_of(remark, sensors), remark.text) for remark in remarks]
        raise InputProblems([(("chain", "list_tile"), text) for _, text in problems] if unknown_tile else problems)
    return tuple(found), tuple(dict.fromkeys(remarks))  # the series of a section share its remarks


def _without_images(config: Config, options: SensorOptions) -> str:
    """What happens on a tile without images of a sensor; empty if such a tile is a problem."""
    if config.chain.allow_missing_sensor:
        return "With chain.allow_missing_sensor, its features are missing values there."
    if "reference" not in chain_of(config).asks and not options.spec.static:
        return "Its features have no data there."
    if config.sensor_models and not options.spec.static:
        return "Models of the other sensors are used there (arg_classification.missing_sensors)."
    return ""


def _remedy(config: Config, options: SensorOptions) -> str:
    """The options with which a tile without images of a sensor is accepted."""
    if options.spec.static:
        return ALLOW_MISSING_HINT
    if context := config.arg_train.context_option:
        return f"{ALLOW_MISSING_HINT} {context}, which needs all sensors, can also be removed."
    return MODELS_HINT


def _series(config: Config, options: SensorOptions, tile: str, items: Items) -> tuple[SensorScene, tuple[Remark, ...]]:
    """The series of one sensor on one tile, and remarks."""
    if options.spec.static:
        return scan_layers(options.spec, options.source, tile), ()
    skip = config.chain.skip_damaged_products
    known = known_damage(config.chain.output_path)
    damaged = {damage.product: damage.reason for damage in known if damage.tile == tile}
    # co-registration identifies bands by their position, so it needs all of them
    kept = options.keep_bands if config.coregistration.vhr_path is None else ()
    if options.stac:
        from iota2.io.stac.products import scan_items  # noqa: PLC0415 - as above

        series, notes = scan_items(
            options.spec,
            items.by_sensor[options.spec.name],
            tile,
            source=str(options.source),
            remote=config.chain.stac_items is not None and config.chain.stac_items.remote,
            skip_damaged=skip,
            damaged=damaged,
            kept=kept,
        )
    else:
        series, notes = scan_tile(options.spec, options.source, tile, skip_damaged=skip, damaged=damaged, kept=kept)
    interpolation = config.sensors_data_interpolation
    name, section = series.spec.name, series.spec.section
    remarks = (
        *remarks_about(notes, "images", tile=tile, sensor=section),
        *remarks_about(
            _repeated_days(series, tile, averaged=interpolation.use_gapfilling), "images", tile=tile, sensor=name
        ),
    )
    if not interpolation.use_gapfilling or interpolation.auto_date:
        return series, remarks
    seasons = season_notes(options, series, tile)
    return series, (*remarks, *remarks_about(seasons, "images", tile=tile, sensor=section))


def _option_of(remark: Remark, sensors: Sequence[SensorOptions]) -> tuple[str | int, ...]:
    """The option with the images of a remark's sensor; empty if unknown."""
    return next((images_option(one) for one in sensors if remark.sensor in (one.spec.name, one.spec.section)), ())


def _repeated_days(series: SensorScene, tile: str, *, averaged: bool) -> list[str]:
    """A note on days with several products, and how they are combined."""
    repeated = several_a_day(series.days)
    if not repeated:
        return []
    what = "their clear pixels are averaged" if averaged else "each is a separate date"
    return [f"{series.spec.name}, tile {tile}: {repeated}: {what}"]


def scenes_of(
    config: Config, found: Mapping[str, Series], sensors: Sequence[SensorOptions]
) -> tuple[dict[str, Scene], dict[str, list[Remark]]]:
    """The scene of each tile with its working grid, and remarks by tile.

    The grid is that of ``reference_sensor``, or of the finest sensor with dates; among equals, of the first sensor with
    reflectances. A tile without this sensor uses the grid of its own finest sensor, with the pixel size of the other
    tiles if no size is given. InputError with all sensors and layers that do not overlap their tile, and if no tile has
    ``reference_sensor``.
    """
    chain = config.chain
    there = {name for series in found.values() for one in series for name in (one.spec.section, one.spec.name)}
    if chain.reference_sensor and chain.reference_sensor not in there and len(found) == len(chain.list_tile):
        text = f"no tile has images of {chain.reference_sensor}. Name another one."
        raise InputError.about(("chain", "reference_sensor"), text)
    references = {tile: reference_series(chain.reference_sensor, series) for tile, series in found.items()}
    main = reference_series(chain.reference_sensor, [*references.values()]) if references else None
    scenes: dict[str, Scene] = {}
    remarks: dict[str, list[Remark]] = {}
    outside: list[Remark] = []
    for tile, series in found.items():
        size, native, remarks[tile] = chain.spatial_resolution, native_geobox(references[tile]), []
        if main is not None and references[tile].spec.name != main.spec.name:
            size = size or resolution(native_geobox(main))
            other = references[tile].spec.name
            text = f"tile {tile} has no images of {main.spec.name}; its working grid is that of {other}"
            remarks[tile].append(Remark(text, "images", tile))
        if chain.spatial_resolution:
            found_size = size_problems(chain.spatial_resolution, chain.proj, tile, native, finest_pixel(series))
            if wrong := [(RESOLUTION_OPTION, text) for text in found_size]:
                raise InputProblems(wrong)
        grid = working_geobox(native, spatial_resolution=size, working_grid=chain.working_grid, proj=chain.proj)
        scenes[tile] = Scene(tile, grid, series)
        for one in series:
            elsewhere, partial = check_coverage(one, grid, tile)
            numbers = interpolated_integer_notes(one, grid, tile) if one.spec.static else ()
            outside += remarks_about(elsewhere, "images", tile=tile, sensor=one.spec.name)
            remarks[tile] += remarks_about((*partial, *numbers), "images", tile=tile, sensor=one.spec.name)
    if outside:
        raise InputProblems([(_option_of(remark, sensors), remark.text) for remark in outside])
    return scenes, remarks


def check_coverage(series: SensorScene, tile_grid: GeoBox, tile: str) -> tuple[list[str], list[str]]:
    """Problems of images that do not overlap a tile, and notes on those that cover little of it."""
    spec, crs, files = series.spec, crs_name(tile_grid), series.acquisitions[0].bands
    looked_at = [band.name for band in spec.bands] if spec.static else [spec.reference.name]
    outside, partial = [], []
    for path, grid in {files[band]: series.grids[band] for band in looked_at}.items():
        share, what = (
            covered_share(tile_grid, grid),
            "a layer covers" if spec.static else f"images of {spec.name} cover",
        )
        where = f"{spec.section}, tile {tile}: {what}"
        if share == 0:
            outside.append(
                f"{where} no part of the tile (x and y in {crs}: {bounds_in(grid, crs)}; the tile: "
                f"{bounds_in(tile_grid, crs)}). First file: {path}. Give files of this tile, or correct "
                "chain.list_tile."
            )
        elif share < MIN_COVERAGE:
            partial.append(f"{where} only {share:.1%} of the tile (first file: {path})")
    return outside, partial


def reference_series(asked: str | None, series: Sequence[SensorScene]) -> SensorScene:
    """The series of the sensor ``asked``, or that with the smallest pixels; of equal ones, optical before radar."""
    dated = [scene for scene in series if not scene.spec.static]
    named = [scene for scene in dated if asked in (scene.spec.section, scene.spec.name)]
    return min(named or dated, key=lambda scene: (_pixel_size(native_geobox(scene)), not scene.spec.spectral))


def _pixel_size(geobox: GeoBox) -> float:
    """Width of a pixel in metres, rounded to a thousandth."""
    middle = geobox.extent.centroid.coords[0][1]
    return round(resolution(geobox)[0] / units_per_metre(geobox.crs, middle), 3)
