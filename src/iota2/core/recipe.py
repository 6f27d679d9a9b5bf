"""Recipes: names, order and computation of features."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import compress
from typing import Any, get_args, get_origin, get_type_hints

from iota2.core.feature import DIFFERENCE, Feature
from iota2.core.user_features import UserFeatures, UserFunction

DEFAULT_INDICES = ("NDVI", "NDWI", "Brightness")
"""Default spectral indices of a recipe, in feature order."""

MISSING = -10000.0
"""Value of a feature whose input is missing. It is lower than all measurements, so a tree node can separate pixels
without data."""

TEMPORAL_FEATURES = DIFFERENCES, STATISTICS = "differences", "statistics"
"""Kinds of temporal features, in feature order; ``iota2.compute.temporal_features`` defines them."""
QUANTILES = {"q05": 0.05, "q10": 0.1, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q90": 0.9, "q95": 0.95}
"""Quantiles of a series, by name."""
STATISTIC_NAMES = (*QUANTILES, "mean", "std", "maxdate", "mindate", "maxdiff", "mindiff")
"""Statistics of a series, in feature order: quantiles, mean, standard deviation, number of the date of the maximum and
of the minimum, maximum and minimum difference."""

COUNT = "count"
"""Statistic of segments that is not computed from features: the number of pixels."""
SEGMENTS = "segments"
"""Origin of the number of pixels among the features of segments, where others have the name of their sensor."""
FEATURE_STATISTICS = ("mean", "min", "max", "std")
"""Statistics of each feature of the pixels of a segment; ``std`` is that of the population."""
SEGMENT_STATISTICS = (*FEATURE_STATISTICS, COUNT)
"""Statistics of segments, in feature order."""


@dataclass(frozen=True)
class SensorRecipe:
    """Computation of the features of one sensor.

    Order of the features: all bands of each date, date by date (with ``copy_input``); then all dates of each index;
    then all dates of each expression. Temporal features follow, of these series in the same order: all differences of
    each series, then all statistics of each series.
    """

    sensor: str
    bands: tuple[str, ...]
    roles: Mapping[str, str]
    dates: tuple[str, ...]
    """Interpolation dates ``YYYYMMDD``, or acquisition keys for raw dates."""
    gapfilling: bool = True
    indices: tuple[str, ...] = DEFAULT_INDICES
    copy_input: bool = True
    relative_reflectance: bool = False
    keep_duplicates: bool = True
    atmospheric_correction: bool = False
    """``acor_feat``: normalised differences are (a − b − 0.05) / (a + b + 0.05). The constant applies to values as
    stored."""
    reference_role: str = "red"
    static: bool = False
    """Whether the sensor consists of layers without dates: its bands are the features, with ``copy_input``."""
    expressions: tuple[str, ...] = ()
    """Additional features of each date: see ``iota2.compute.expressions``."""
    speckle_radius: int = 0
    """Half-width in pixels of the window of the multitemporal speckle filter; 0 disables the filter."""
    decibel: bool = False
    """Band features are 10 log10 of their values; indices and expressions use the values themselves."""
    temporal: tuple[str, ...] = ()
    """Temporal features of each series, some of ``TEMPORAL_FEATURES`` in their order; empty for layers."""

    @property
    def halo(self) -> int:
        """Number of pixels around a block on which its features depend."""
        return self.speckle_radius

    @property
    def pointwise(self) -> SensorRecipe:
        """The same recipe for a filtered series, whose features no longer depend on neighbouring pixels."""
        return replace(self, speckle_radius=0)

    @property
    def effective_indices(self) -> tuple[str, ...]:
        """Indices without the one that duplicates a relative reflectance (``keep_duplicates`` False drops NDVI)."""
        if self.relative_reflectance and not self.keep_duplicates and self.copy_input:
            return tuple(index for index in self.indices if index != "NDVI")
        return self.indices

    @property
    def days(self) -> tuple[date, ...]:
        """The dates as ``datetime.date``."""
        return tuple(parse_day(key) for key in self.dates)

    @cached_property
    def series(self) -> tuple[str, ...]:
        """Names of the series whose dates are features: bands (with ``copy_input``), indices, expressions; empty for
        layers."""
        if self.static:
            return ()
        word = "userfeature" if self.sensor.islower() else "userFeature"
        expressions = (f"{word}{k}" for k in range(1, len(self.expressions) + 1))
        return (*(self.bands if self.copy_input else ()), *self.effective_indices, *expressions)

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """All features, in order.

        Names: ``<Sensor>_<series>_<date>``, ``<Sensor>_<series>_diff_<date>``, ``<Sensor>_<series>_<statistic>``; for
        layers without dates, the names of the layers. Expressions are named ``userFeature1`` …, or ``userfeature1`` …
        for a sensor name in lower case.
        """
        if self.static:
            return tuple(Feature(band, band) for band in self.bands) if self.copy_input else ()
        copied = self.bands if self.copy_input else ()
        by_date = [(name, key) for key in self.dates for name in copied]
        by_date += [(name, key) for name in self.series[len(copied) :] for key in self.dates]
        features = [Feature(f"{self.sensor}_{name}_{key}", name, key) for name, key in by_date]
        for kind in self.temporal:
            features += [one for name in self.series for one in self._temporal_features(name, kind)]
        return tuple(features)

    def _temporal_features(self, series: str, kind: str) -> list[Feature]:
        """The temporal features of a series, of one of the ``TEMPORAL_FEATURES``."""
        prefix = f"{self.sensor}_{series}"
        if kind == DIFFERENCES:
            return [Feature(f"{prefix}_diff_{key}", series, key, DIFFERENCE) for key in self.dates[1:]]
        return [Feature(f"{prefix}_{name}", series, kind=name) for name in STATISTIC_NAMES]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names, in order."""
        return tuple(feature.name for feature in self.features)


@dataclass(frozen=True)
class FeatureRecipe:
    """Features of all sensors: one recipe for each sensor, in the fixed order of sensors."""

    sensors: tuple[SensorRecipe, ...]
    standard_labels: bool = False
    """``force_standard_labels``: features are named ``value_0`` …"""
    allow_missing: bool = False
    """Whether pixels without observations of a sensor are classified: its features are ``MISSING``, and the other
    sensors determine the label. If False, such pixels have no label, unless the recipe is ``partial``."""
    partial: bool = False
    """Whether pixels with observations of only some sensors have features: those of the other sensors are NaN, and
    models of fewer sensors predict these pixels. Not together with ``allow_missing``."""
    user: UserFeatures | None = None
    """Features of functions of the user, which follow those of the sensors."""
    numbers: tuple[int, ...] = ()
    """With ``standard_labels``, in a recipe of some of the sensors: the number of each feature among those of all
    sensors. Empty: 0, 1, 2 …"""
    statistics: tuple[str, ...] = ()
    """Features of segments: these statistics of the features of their pixels, some of ``SEGMENT_STATISTICS`` in their
    order. Empty: features of pixels."""

    def __repr__(self) -> str:
        return f"FeatureRecipe({len(self.names)} features of {', '.join(sensor.sensor for sensor in self.sensors)})"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All feature names, in order. Every other list of names is derived from this one."""
        names = tuple(feature.name for _, feature in self.features)
        if not self.standard_labels:
            return names
        return tuple(f"value_{k}" for k in self.numbers or range(len(names)))

    @cached_property
    def features(self) -> tuple[tuple[str, Feature], ...]:
        """All features in order, each with the name of its sensor, or of the sensors that a function of the user reads.

        Their names are those without ``standard_labels``. Features of segments: those of pixels for each statistic,
        named ``<feature>_<statistic>``, then ``count``.
        """
        of_sensors = [(sensor.sensor, feature) for sensor in self.sensors for feature in sensor.features]
        of_pixels = (*of_sensors, *((one.origin, feature) for one in self.functions for feature in one.features))
        if not self.statistics:
            return of_pixels
        found = [
            (origin, feature._replace(name=f"{feature.name}_{statistic}"))
            for statistic in self.pixel_statistics
            for origin, feature in of_pixels
        ]
        return (*found, *[(SEGMENTS, Feature(COUNT, COUNT))] * (COUNT in self.statistics))

    @property
    def pixel_statistics(self) -> tuple[str, ...]:
        """The statistics that are computed from the features of pixels."""
        return tuple(name for name in self.statistics if name != COUNT)

    @property
    def of_pixels(self) -> FeatureRecipe:
        """The recipe of the features of pixels from which those of segments are computed; itself without statistics."""
        return replace(self, statistics=()) if self.statistics else self

    @property
    def functions(self) -> tuple[UserFunction, ...]:
        """The functions of the user, in order."""
        return self.user.functions if self.user else ()

    @cached_property
    def features_of(self) -> dict[str, tuple[int, ...]]:
        """Positions of the features that are computed from one sensor with dates, alone or with layers, by sensor."""
        found: dict[str, list[int]] = {one.sensor: [] for one in self.sensors if not one.static}
        read: list[tuple[str, ...]] = [(sensor.sensor,) for sensor in self.sensors for _ in sensor.names]
        read += [function.sensors for function in self.functions for _ in function.labels]
        for position, sensors in enumerate(read * max(1, len(self.pixel_statistics))):
            dated = [sensor for sensor in sensors if sensor in found]
            if len(dated) == 1:
                found[dated[0]].append(position)
        return {sensor: tuple(positions) for sensor, positions in found.items()}

    @property
    def dated(self) -> tuple[str, ...]:
        """Names of the sensors with dates that have features, or are read by functions of the user, in order."""
        read = {name for function in self.functions for name in function.sensors}
        return tuple(one.sensor for one in self.sensors if not one.static and (one.names or one.sensor in read))

    @property
    def needs_all_sensors(self) -> bool:
        """Whether pixels have features only where every one of several sensors with dates observes them clear."""
        return len(self.dated) > 1 and not (self.partial or self.allow_missing)

    def of_sensors(self, names: Collection[str]) -> FeatureRecipe:
        """The recipe restricted to some of its sensors with dates, in its order; layers belong to every selection.

        Functions of the user that read other sensors are left out. Names of the features are those in the whole recipe.
        ``ValueError`` for a name that is not a sensor of the recipe.
        """
        known = [one.sensor for one in self.sensors]
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"the recipe has no sensor {unknown[0]!r}; expected some of {', '.join(known)}")
        kept = [one.static or one.sensor in names for one in self.sensors]
        if all(kept):
            return self
        sensors = tuple(compress(self.sensors, kept))
        user = self.user.of_sensors(frozenset(one.sensor for one in sensors)) if self.user else None
        functions = user.functions if user else ()
        used = [keep for keep, one in zip(kept, self.sensors, strict=True) for _ in one.names]
        used += [one in functions for one in self.functions for _ in one.labels]
        used = used * max(1, len(self.pixel_statistics)) + [True] * (COUNT in self.statistics)
        numbers = compress(self.numbers or range(len(used)), used) if self.standard_labels else ()
        return replace(self, sensors=sensors, user=user, numbers=tuple(numbers))

    def only_function(self, name: str) -> FeatureRecipe:
        """The recipe with one of the functions of the user, the series that it reads, and no other features."""
        assert self.user is not None, "the recipe has functions of the user"
        (function,) = (one for one in self.functions if one.name == name)
        sensors = tuple(
            replace(one, copy_input=False, indices=(), expressions=(), temporal=())
            for one in self.sensors
            if one.sensor in function.sensors
        )
        user = replace(self.user, functions=(function,))
        return FeatureRecipe(sensors, user=user, allow_missing=self.allow_missing, partial=self.partial)

    @property
    def series_shape(self) -> tuple[int, int] | None:
        """(dates, bands) if the features are the bands of one sensor, date by date; otherwise None."""
        if (
            self.statistics
            or self.user
            or len(self.sensors) != 1
            or self.sensors[0].static
            or not self.sensors[0].copy_input
        ):
            return None
        (sensor,) = self.sensors
        shape = len(sensor.dates), len(sensor.bands)
        return shape if shape[0] * shape[1] == len(self.names) else None

    @property
    def halos(self) -> dict[str, int]:
        """Number of pixels around a block on which its features depend, by sensor."""
        further = self.user.halo if self.user else 0
        return {sensor.sensor: sensor.halo + further for sensor in self.sensors}

    @property
    def halo(self) -> int:
        """Maximum of ``halos``."""
        return max(self.halos.values(), default=0)

    @property
    def pointwise(self) -> FeatureRecipe:
        """The same recipe for filtered series, whose features no longer depend on neighbouring pixels."""
        return replace(self, sensors=tuple(sensor.pointwise for sensor in self.sensors))

    def to_json(self) -> dict[str, Any]:
        """The recipe as values for ``recipe.json``.

        ``temporal`` only for sensors with temporal features, ``partial``, ``user``, ``numbers`` and ``statistics`` only
        if they differ from their default.
        """
        content = asdict(self)
        if self.user:
            content["user"] = self.user.to_json()
        for name in ("partial", "user", "numbers", "statistics"):
            if not content[name]:
                del content[name]
        for sensor in content["sensors"]:
            if not sensor["temporal"]:
                del sensor["temporal"]
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FeatureRecipe:
        """The recipe written by ``to_json``. Fields with a default may be absent, as in files of earlier versions.

        Raises KeyError, TypeError or ValueError for an invalid recipe, date or kind of temporal features.
        """
        sensors = []
        for sensor in content["sensors"]:
            fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in sensor.items()}
            sensors.append(_checked(SensorRecipe(**fields)))
        return _checked(
            cls(
                tuple(sensors),
                content["standard_labels"],
                content.get("allow_missing", False),
                content.get("partial", False),
                UserFeatures.from_json(content["user"]) if content.get("user") else None,
                tuple(content.get("numbers", ())),
                tuple(content.get("statistics", ())),
            )
        )


def _checked(recipe: Any) -> Any:
    """The recipe, unchanged. ValueError for an invalid date, or a value whose type is not the type of its field."""
    for name, hint in get_type_hints(type(recipe)).items():
        if name != "user" and not _fits(getattr(recipe, name), hint):
            raise ValueError(f"{name} is {getattr(recipe, name)!r}")
    if isinstance(recipe, SensorRecipe):
        recipe.days  # noqa: B018 - raises an error for an invalid date
        if recipe.speckle_radius < 0:
            raise ValueError(f"speckle_radius is {recipe.speckle_radius}")
        if recipe.temporal != ordered_temporal(recipe.temporal) or (recipe.static and recipe.temporal):
            raise ValueError(f"temporal is {recipe.temporal!r}")
    elif isinstance(recipe, FeatureRecipe):
        count = len(recipe.features)
        if recipe.numbers and (not recipe.standard_labels or len(set(recipe.numbers)) != count):
            raise ValueError(f"numbers is {recipe.numbers!r}")
        if recipe.numbers and len(recipe.numbers) != count:
            raise ValueError(f"{len(recipe.numbers)} numbers of {count} features")
        if recipe.partial and recipe.allow_missing:
            raise ValueError("both partial and allow_missing")
        if recipe.statistics != tuple(name for name in SEGMENT_STATISTICS if name in recipe.statistics):
            raise ValueError(f"statistics is {recipe.statistics!r}")
    return recipe


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value has the annotated type: a plain type, or a tuple or mapping of plain types."""
    parts = get_args(hint)
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(_fits(item, parts[0]) for item in value)
    if parts:
        return isinstance(value, Mapping) and all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in value.items())
    return type(value) is hint


def ordered_temporal(kinds: Collection[str]) -> tuple[str, ...]:
    """The kinds of temporal features in feature order, each once; unknown ones are omitted."""
    return tuple(kind for kind in TEMPORAL_FEATURES if kind in kinds)


def parse_day(key: str) -> date:
    """Day of a date key (``20180511`` or ``20180511.1``)."""
    return date(int(key[:4]), int(key[4:6]), int(key[6:8]))


def interpolation_dates(first: date, last: date, step: int) -> tuple[str, ...]:
    """Dates ``YYYYMMDD`` every ``step`` days from ``first``, not after ``last``."""
    count = (last - first).days // step + 1
    return tuple((first + timedelta(days=step * k)).strftime("%Y%m%d") for k in range(count))
