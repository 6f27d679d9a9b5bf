"""The options of sensors: dates, bands, and what features are made of them."""

from __future__ import annotations

from typing import ClassVar

from iota2.config.fields import Day, Section, Words, idle, option, planned

_NEVER_WRITTEN = "inputs are read as they are and nothing is ever written into them"


class Sensor(Section):
    """Dates and bands of a sensor that is not available yet."""

    about_section: ClassVar[str] = "Dates and bands of the sensor."
    builders: ClassVar[str] = "C F O R"

    additional_features: str = planned("", "Expressions of bands `b1`, `b2` … computed for each date.")
    start_date: Day | None = planned(None, "First interpolation date.")
    end_date: Day | None = planned(None, "Last interpolation date.")
    temporal_resolution: int = planned(16, "Days between interpolation dates.")
    keep_bands: Words = planned((), "Bands to use when `extract_bands` is True; [] uses all.")
    write_reproject_resampled_input_dates_stack: bool = idle(
        False, "Write the resampled images of each date.", _NEVER_WRITTEN
    )


class Sentinel2(Sensor):
    """Dates and bands of Sentinel-2 level 2A (THEIA)."""

    section_name: ClassVar[str] = "Sentinel_2"

    start_date: Day | None = option(None, "First interpolation date; needed when `auto_date` is False.")
    end_date: Day | None = option(None, "Last interpolation date; needed when `auto_date` is False.")
    temporal_resolution: int = option(10, "Days between interpolation dates.", ge=1)
    keep_bands: Words = option((), "Bands to use when `extract_bands` is True; [] uses all.")


class Sentinel2S2C(Sensor):
    """Dates and bands of Sentinel-2 level 2A (Sen2Cor)."""

    section_name: ClassVar[str] = "Sentinel_2_S2C"
    temporal_resolution: int = planned(10, "Days between interpolation dates.")


class Sentinel2L3A(Sensor):
    """Dates and bands of Sentinel-2 level 3A."""

    section_name: ClassVar[str] = "Sentinel_2_L3A"
    temporal_resolution: int = planned(10, "Days between interpolation dates.")


class Landsat5Old(Sensor):
    """Dates and bands of Landsat 5 (old THEIA format)."""

    section_name: ClassVar[str] = "Landsat5_old"


class Landsat8(Sensor):
    """Dates and bands of Landsat 8 (THEIA)."""

    section_name: ClassVar[str] = "Landsat8"


class Landsat8Old(Sensor):
    """Dates and bands of Landsat 8 (old THEIA format)."""

    section_name: ClassVar[str] = "Landsat8_old"


class UserFeat(Section):
    """Rasters that are features as they are."""

    section_name: ClassVar[str] = "userFeat"
    about_section: ClassVar[str] = "Rasters that are features as they are."
    builders: ClassVar[str] = "C F O R"

    arbo: str = planned("/*", "Folders to look into, below that of the tile.")
    patterns: str = planned("ALT,ASP,SLP", "Parts of file names, one for each raster.")


class Interpolation(Section):
    """How series of images are brought to common dates."""

    section_name: ClassVar[str] = "sensors_data_interpolation"
    about_section: ClassVar[str] = "How series of images are brought to common dates."
    builders: ClassVar[str] = "C F O R"

    auto_date: bool = option(
        True,
        "Interpolate from the first to the last date found in any tile; False uses the dates of each sensor.",
    )
    use_gapfilling: bool = option(True, "Interpolate in time; False uses the acquired dates as they are.")
    write_outputs: bool = planned(False, "Write the series before and after interpolation.")
    use_additional_features: bool = planned(False, "Compute `additional_features` of the sensors.")


class FeatureExtraction(Section):
    """What features are made of bands."""

    section_name: ClassVar[str] = "iota2_feature_extraction"
    about_section: ClassVar[str] = "What features are made of bands."
    builders: ClassVar[str] = "C F O R"

    copy_input: bool = option(True, "Use the bands themselves as features.")
    rel_refl: bool = option(False, "Replace bands by their normalised difference to the red band.")
    keep_duplicates: bool = option(True, "Keep features that `rel_refl` makes equal.")
    extract_bands: bool = option(False, "Use only `keep_bands` of each sensor.")
    acor_feat: bool = option(False, "Correct normalised differences for the atmosphere (0.05 taken off and added).")
