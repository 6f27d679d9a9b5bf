"""The options of sensors: dates, bands and features."""

from __future__ import annotations

import re
import types
from typing import ClassVar, Literal

from pydantic import field_validator

from iota2.config.options.fields import Day, Numbers, Section, Words
from iota2.core.sensor import SensorSpec
from iota2.io.archive.layers import SECTION as LAYERS
from iota2.io.archive.s1tiling import SECTION as RADAR
from iota2.io.archive.specs import specs_in_feature_order
from iota2.options import no_effect, option, planned

_NO_STACKS = "iota2 never writes into input folders"

ENABLING_KEYS = {
    **{spec.section: spec.option.key for spec in specs_in_feature_order() if spec.option},
    LAYERS: "user_feat_path",
}
"""The key of ``chain`` that enables a sensor, by section, in the order of features.

Sensors of ``chain.user_sensors`` come after the other sensors with dates and before the layers, which have no dates.
"""

FOLDER_KEYS = {section: key for section, key in ENABLING_KEYS.items() if section not in (RADAR, LAYERS)}
"""The key of ``chain`` with the product folder of a sensor, by section."""

_EXPRESSIONS = "Expressions of bands, separated by commas, computed for each date if `use_additional_features` is True."


class Sensor(Section):
    """Dates and bands of a sensor."""

    about_section: ClassVar[str] = "Dates and bands of the sensor."
    builders: ClassVar[str] = "C F O R"

    additional_features: str = option("", _EXPRESSIONS)
    start_date: Day | None = option(None, "First interpolation date; needed when `auto_date` is False.")
    end_date: Day | None = option(None, "Last interpolation date; needed when `auto_date` is False.")
    temporal_resolution: int | None = option(
        None, "Days between interpolation dates; None uses the value of the description.", ge=1, le=3660
    )
    keep_bands: Words = option((), "Bands to use when `extract_bands` is True; [] uses all.")
    write_reproject_resampled_input_dates_stack: bool = no_effect(
        False, "Write the resampled images of each date.", _NO_STACKS
    )


class Sentinel1(Section):
    """Dates and units of Sentinel-1."""

    section_name: ClassVar[str] = RADAR
    about_section: ClassVar[str] = "Dates and units of Sentinel-1; other settings are in the INI file of `s1_path`."
    builders: ClassVar[str] = "C F O R"

    start_date: Day | None = option(None, "First interpolation date; needed when `auto_date` is False.")
    end_date: Day | None = option(None, "Last interpolation date; needed when `auto_date` is False.")
    decibel: bool = option(False, "Use VV and VH in dB as features; expressions are computed from linear values.")


def _section_of(spec: SensorSpec) -> type[Section]:
    """The section class of a built-in sensor."""
    if spec.section == RADAR:
        return Sentinel1
    about = {"__module__": __name__, "__doc__": f"Dates and bands of {spec.section}.", "section_name": spec.section}
    return types.new_class(spec.section, (Sensor,), exec_body=lambda namespace: namespace.update(about))


SENSOR_SECTIONS = {spec.section: _section_of(spec) for spec in specs_in_feature_order()}
"""Section class of each built-in sensor by name, in the order of features."""

globals().update(
    {kind.__name__: kind for kind in SENSOR_SECTIONS.values()}
)  # pickle looks up classes by module and name


class UserFeat(Section):
    """Layers without dates that are used directly as features."""

    section_name: ClassVar[str] = LAYERS
    about_section: ClassVar[str] = "Layers without dates that are used directly as features."
    builders: ClassVar[str] = "C F O R"

    arbo: str = option(
        "/*", "Location of the rasters below the folder of the tile: `/*` directly in it, `/*/*` one folder deeper."
    )
    patterns: Words = option(
        ("ALT", "ASP", "SLP"), "Parts of file names, one for each raster; all bands of a raster are features."
    )
    resampling: Literal["cubic", "bilinear", "nearest"] = option(
        "cubic", "Resampling of rasters to the grid of the tile; use 'nearest' for codes, such as soil types."
    )
    nodata: Numbers = option(
        (),
        "No-data values of all rasters, in addition to the nodata tags of the files, such as [-32768, -9999].",
    )

    @field_validator("arbo")
    @classmethod
    def _below(cls, text: str) -> str:
        parts = text.strip("/").split("/")
        if ".." in parts or not all(parts):
            raise ValueError(f"expected a pattern of folders below the folder of the tile, such as '/*', got {text!r}")
        return text

    @field_validator("patterns")
    @classmethod
    def _distinct(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        odd = [pattern for pattern in patterns if not re.fullmatch(r"[\w.-]+", pattern)]
        if odd or not patterns:
            raise ValueError(f"expected letters, digits, '_', '-' and '.', got {odd[0] if odd else 'nothing'!r}")
        if len({pattern.lower() for pattern in patterns}) < len(patterns):
            raise ValueError("contains a pattern twice, ignoring case; give each raster its own pattern")
        return patterns


class Interpolation(Section):
    """Interpolation of image series in time."""

    section_name: ClassVar[str] = "sensors_data_interpolation"
    about_section: ClassVar[str] = "Interpolation of image series in time."
    builders: ClassVar[str] = "C F O R"

    auto_date: bool = option(
        True,
        "Interpolate from the first to the last date of all tiles; False uses `start_date` and `end_date` of each "
        "sensor.",
    )
    use_gapfilling: bool = option(
        True, "Fill gaps by interpolation in time; False uses the acquired values, masked or not."
    )
    write_outputs: bool = planned(False, "Write the series before and after interpolation.")
    use_additional_features: bool = option(False, "Compute `additional_features` of the sensors.")


class FeatureExtraction(Section):
    """Features computed from bands."""

    section_name: ClassVar[str] = "iota2_feature_extraction"
    about_section: ClassVar[str] = "Features computed from bands."
    builders: ClassVar[str] = "C F O R"

    copy_input: bool = option(True, "Use the bands themselves as features.")
    rel_refl: bool = option(False, "Replace bands by their normalised difference to the red band.")
    keep_duplicates: bool = option(True, "Keep duplicate features caused by `rel_refl`.")
    extract_bands: bool = option(False, "Use only the bands in `keep_bands` of each sensor.")
    acor_feat: bool = option(False, "Correct normalised differences for the atmosphere (0.05 subtracted and added).")
