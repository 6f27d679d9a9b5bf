"""Clear pixels of each date, and pixels inside its image, from the masks of a scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from iota2.compute.placement import Placement
from iota2.compute.valid import absent_value, has_data, nodata_of
from iota2.core.grid import Block
from iota2.core.scene import Acquisition, Scene, SensorScene
from iota2.core.sensor import MaskRule
from iota2.io.series.decoded import Shift, clear_pixels, placements
from iota2.io.series.open_files import OpenFiles, ReadRequest, call_on_threads, dates_by_shift, files_of


@dataclass(frozen=True, eq=False)
class Observed:
    """Clear pixels of a block on each date of one sensor, and pixels inside the images."""

    valid: np.ndarray
    """(time, y, x) bool: no mask applies, and the pixel is inside the image."""
    inside: np.ndarray
    """(time,) number of pixels inside the image, where no edge mask applies.

    For a sensor without edge masks, these are all pixels of the reference band. For a date without any mask, or without
    the edge masks of its sensor, these are the pixels where the reference band has data.
    """
    shown: Mapping[int, np.ndarray] = field(default_factory=dict)
    """By position of a date with others on the same day: (y, x) bool, the pixel is inside the image."""

    def by_day(self, days: Mapping[date, Sequence[int]]) -> Observed:
        """The observations by day: the union of all dates of the day. ``days``: positions of the dates of each day."""
        valid, inside = [], []
        for first, *others in days.values():
            dates = [first, *others]
            valid.append(self.valid[dates].any(axis=0) if others else self.valid[first])
            shown = np.logical_or.reduce([self.shown[t] for t in dates]) if others else None
            inside.append(self.inside[first] if shown is None else np.count_nonzero(shown))
        return Observed(np.stack(valid), np.array(inside, np.int64))


@dataclass(frozen=True)
class ObservationReader:
    """Block-wise reader of the observations of a scene; the result does not depend on ``threads``."""

    scene: Scene
    files: OpenFiles
    threads: int = 1

    def observed(self, block: Block) -> dict[str, Observed]:
        """Observations of the block by sensor name; layers without dates have none.

        Bands are not read, except the reference band of dates without a mask that marks their data.
        """
        return {sensor.spec.name: self._sensor_observed(sensor, block) for sensor in self.scene.series}

    def _sensor_observed(self, sensor: SensorScene, block: Block) -> Observed:
        """Observations of the block by the dates of one sensor."""
        edges, others = _edges_and_others(sensor)
        valid = np.empty((len(sensor.acquisitions), *block.shape), bool)
        inside = np.empty(len(valid), np.int64)
        several = [t for dates in sensor.by_day.values() if len(dates) > 1 for t in dates]
        shown = {t: np.empty(block.shape, bool) for t in several}
        alike = _dates_by_placement(sensor, self.threads)

        def fill(k: int) -> None:
            shift, dates = alike[k]
            places = self._mask_places(sensor, block, shift)
            for t in dates:
                acquisition = sensor.acquisitions[t]
                valid[t] = self._inside(sensor, acquisition, edges, places)
                inside[t] = np.count_nonzero(valid[t])
                if t in shown:
                    shown[t][:] = valid[t]
                valid[t] &= self._clear(acquisition, others, places, block.shape)

        call_on_threads(self.threads, len(alike), fill)
        return Observed(valid, inside, shown)

    def footprint(self, block: Block, *, every: bool = True, layers: bool = True) -> np.ndarray:
        """(y, x) bool footprint: every sensor with dates has an image that contains the pixel, see ``Observed.inside``.

        Without ``every``, one sensor with dates is enough. With ``layers``, every layer without dates must cover the
        pixel as well.
        """
        dated = [self._series_footprint(series, block) for series in self.scene.series]
        static = [self._layers_footprint(one, block) for one in self.scene.layers] if layers else []
        return np.logical_and.reduce([*(dated if every else [np.logical_or.reduce(dated)]), *static])

    def _layers_footprint(self, layers: SensorScene, block: Block) -> np.ndarray:
        """(y, x) bool: all layers cover the pixel."""
        places = placements(self.scene, layers, block, layers.spec.band_names)
        return np.logical_and.reduce([place.inside for place in places.values()])

    def _series_footprint(self, sensor: SensorScene, block: Block) -> np.ndarray:
        """(y, x) bool: the image of at least one date of the sensor contains the pixel."""
        edges, _ = _edges_and_others(sensor)
        seen = np.zeros(block.shape, bool)
        for shift, dates in _dates_by_placement(sensor, 1):
            places = self._mask_places(sensor, block, shift)
            for t in dates:
                seen |= self._inside(sensor, sensor.acquisitions[t], edges, places)
                if seen.all():
                    return seen
        return seen

    def _mask_places(self, sensor: SensorScene, block: Block, shift: Shift) -> dict[str, Placement]:
        """Placements of a block on the grids of the masks and of the reference band."""
        names = [sensor.spec.reference.name, *(rule.name for rule in sensor.spec.masks)]
        return placements(self.scene, sensor, block, names, shift)

    def _inside(
        self, sensor: SensorScene, acquisition: Acquisition, edges: Sequence[MaskRule], places: Mapping[str, Placement]
    ) -> np.ndarray:
        """(y, x) bool: the image of a date contains the pixel, see ``Observed``."""
        reference = sensor.spec.reference.name
        if _without_data_mask(sensor, acquisition):
            return self._reference_has_data(sensor, acquisition, places[reference])
        shape = places[reference].inside.shape
        inside = self._clear(acquisition, edges, places, shape)
        if not edges or any(rule.name not in acquisition.masks for rule in edges):
            inside &= _covered(acquisition, reference, places[reference])
        return inside

    def _reference_has_data(self, sensor: SensorScene, acquisition: Acquisition, place: Placement) -> np.ndarray:
        """(y, x) bool: the reference band of a date has data."""
        band = sensor.spec.reference
        dtype = self.files.stored_type(sensor, band.name)
        marker = sensor.spec.nodata_of(band.name)
        nodata = nodata_of(dtype, marker)
        if nodata is None:
            return _covered(acquisition, band.name, place)
        absent = absent_value(None, dtype, marker)
        values = self._window_of(acquisition, band.name, place, dtype, absent=absent, index=band.index)
        return place.inside & place.nearest(has_data(values, nodata))

    def _clear(
        self,
        acquisition: Acquisition,
        rules: Sequence[MaskRule],
        places: Mapping[str, Placement],
        shape: tuple[int, int],
    ) -> np.ndarray:
        """(y, x) bool: none of the mask rules applies; masks that the date lacks are ignored."""
        clear = np.ones(shape, bool)
        for rule in rules:
            if rule.name in acquisition.masks:
                place = places[rule.name]
                clear &= clear_pixels(rule, self._read_mask(acquisition, rule, place), place)
        return clear

    def _read_mask(self, acquisition: Acquisition, rule: MaskRule, place: Placement) -> np.ndarray:
        """(row, column) values of a mask in the window of the placement."""
        dtype = np.dtype(acquisition.formats[rule.name].dtype)
        return self._window_of(acquisition, rule.name, place, dtype, absent=absent_value(rule, dtype, None))

    def _window_of(
        self,
        acquisition: Acquisition,
        name: str,
        place: Placement,
        dtype: np.dtype[Any],
        *,
        absent: float,
        index: int = 1,
    ) -> np.ndarray:
        """(row, column) values of a band or mask in the window of the placement; ``absent`` outside the file."""
        rows, cols = place.window
        out = np.empty((rows[1] - rows[0], cols[1] - cols[0]), dtype)
        extent = acquisition.extents.get(name)
        hidden = acquisition.hidden.get(name, ())
        self.files.read([ReadRequest(files_of(acquisition)[name], index, rows, cols, out, extent, absent, hidden)])
        return out


def _dates_by_placement(sensor: SensorScene, parts: int) -> list[tuple[Shift, list[int]]]:
    """Groups of dates with the same shift, and so the same placement, each split into at most ``parts`` for threads."""
    groups = [(shift, dates[k::parts]) for shift, dates in dates_by_shift(sensor).items() for k in range(parts)]
    return [(shift, dates) for shift, dates in groups if dates]


def _edges_and_others(sensor: SensorScene) -> tuple[list[MaskRule], list[MaskRule]]:
    """Mask rules of a sensor: edge masks, and all others."""
    rules = sensor.spec.masks
    return [rule for rule in rules if rule.edge], [rule for rule in rules if not rule.edge]


def _without_data_mask(sensor: SensorScene, acquisition: Acquisition) -> bool:
    """Whether a date lacks a mask that marks its data: it has no mask, or none of the sensor's edge masks."""
    edges = [rule.name for rule in sensor.spec.masks if rule.edge]
    return not acquisition.masks or (bool(edges) and not any(name in acquisition.masks for name in edges))


def bands_for_observations(sensor: SensorScene) -> tuple[str, ...]:
    """Bands that are read to find the observations of a sensor.

    This is the reference band when a date lacks a mask that marks its data; else empty.
    """
    bare = not sensor.spec.static and any(
        _without_data_mask(sensor, acquisition) for acquisition in sensor.acquisitions
    )
    return (sensor.spec.reference.name,) if bare else ()


def _covered(acquisition: Acquisition, name: str, place: Placement) -> np.ndarray:
    """(y, x) bool: the file of a date covers the pixel; its value does not matter."""
    if name not in acquisition.extents:
        return place.inside
    (rows, cols), (top, bottom, left, right) = place.window, acquisition.extents[name]
    in_rows, in_cols = np.arange(*rows), np.arange(*cols)
    within = ((in_rows >= top) & (in_rows < bottom))[:, None] & (in_cols >= left) & (in_cols < right)
    return place.inside & place.nearest(within)
