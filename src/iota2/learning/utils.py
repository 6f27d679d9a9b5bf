"""Labels of external features, under the names that files of the user import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class I2Label:
    """Label of a feature without date."""

    sensor_name: str
    """Sensor, or any other word."""
    feat_name: str
    """Name of the feature."""

    def __str__(self) -> str:
        return f"{self.sensor_name}_{self.feat_name}"


@dataclass(frozen=True)
class I2TemporalLabel:
    """Label of a feature of one date."""

    sensor_name: str
    """Sensor, or any other word."""
    feat_name: str
    """Name of the feature."""
    date: str
    """``YYYYMMDD``."""

    def __str__(self) -> str:
        return f"{self.sensor_name}_{self.feat_name}_{self.date}"
