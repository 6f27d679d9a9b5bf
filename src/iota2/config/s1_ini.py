"""The INI file of ``chain.s1_path``: reading and checks."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from iota2.config.options.fields import elsewhere, expanded_path
from iota2.core.files import read_text, without_dots
from iota2.core.words import did_you_mean
from iota2.errors import ConfigError, remedy_of
from iota2.io.archive.radar_names import named_like
from iota2.io.archive.specs import builtin_specs

T = TypeVar("T")

USED = ""
_DONE_BY_S1TILING = "S1Tiling calibrates and orthorectifies the images; set the corresponding option of S1Tiling"
_TILES = "chain.list_tile defines the tiles"
_RESOURCES = "`iota2 run` has options for memory and logs, and writes no intermediate images"
_BORDERS = "0 means no data, and existing border masks are used; a threshold would exclude calm water in VH"

KEYS: dict[str, dict[str, str]] = {
    "Paths": {
        "Output": USED,
        "S1Images": USED,
        "FilePattern": USED,
        "SRTM": _DONE_BY_S1TILING,
        "GeoidFile": _DONE_BY_S1TILING,
    },
    "Processing": {
        "FilteringMode": USED,
        "TemporalResolution": USED,
        "gapFilling_interpolation": USED,
        "ManyProjection": _DONE_BY_S1TILING,
        "ReferencesFolder": _DONE_BY_S1TILING,
        "RasterPattern": _DONE_BY_S1TILING,
        "OutputSpatialResolution": _DONE_BY_S1TILING,
        "TilesShapefile": _DONE_BY_S1TILING,
        "SRTMShapefile": _DONE_BY_S1TILING,
        "Orthorectification_gridspacing": _DONE_BY_S1TILING,
        "BorderThreshold": _BORDERS,
        "getMasks": _BORDERS,
        "Tiles": _TILES,
        "Mode": _RESOURCES,
        "RAMPerProcess": _RESOURCES,
        "writeTemporaryFiles": _RESOURCES,
        "outputStack": _RESOURCES,
    },
    "Filtering": {"Window_radius": USED},
    "Features": {"expression": USED},
}
"""Reason why a key has no effect, by section and key; empty for a key that is used. Case is ignored in names."""

INI_KEY_OF_OPTION = {
    "temporal_resolution": "TemporalResolution of [Processing]",
    "additional_features": "expression of [Features]",
}
"""Keys of the INI file by the name of the corresponding option in sections of other sensors."""

MAX_RADIUS_PIXELS = 15
"""Maximum half-width of the filter window; a window of 31 x 31 pixels is larger than most fields."""
_MONO = "dates are not filtered; set `multi` for the multitemporal filter"


@dataclass(frozen=True)
class RadarSettings:
    """Content of the INI file."""

    output: Path
    """Folder of the images of S1Tiling, with one folder per tile."""
    raw: Path | None
    """Folder of the raw products; inspected only if there are no images."""
    temporal_resolution: int
    pattern: str
    """Pattern of image names; empty for the names of S1Tiling and THEIA. See ``io.archive.radar_names``."""
    speckle_radius: int
    """Half-width of the window of the multitemporal filter, in pixels; 0 disables the filter."""
    expressions: str
    """Expressions of the bands vv and vh, separated by commas."""
    warnings: tuple[str, ...]
    """Warnings on keys without effect, with the reason."""


def read_s1_ini(path: Path, paths_from: Path | None = None) -> RadarSettings:
    """The settings in an INI file. Relative paths are resolved from ``paths_from``, or else from the folder of the
    file.

    Raises ConfigError with all problems and their lines: invalid syntax, unknown sections and keys, invalid values, no
    folder of images.
    """
    try:
        text = read_text(path, "utf-8-sig")
        parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";", "#"))
        parser.read_string(text, source=str(path))
    except OSError as err:
        raise ConfigError([f"cannot be read: {err.strerror}. {remedy_of(err)}"], source=str(path)) from err
    except (configparser.Error, UnicodeDecodeError) as err:
        raise ConfigError([f"is no INI file: {' '.join(str(err).split())}"], source=str(path)) from err
    if parser.has_section("DataSource"):
        text = "is a file of S1Tiling; expected an INI file with [Paths] Output, the output folder of S1Tiling"
        raise ConfigError([text], source=str(path))
    values = {section: dict(parser[section]) for section in parser.sections()}
    return _Ini(path, values, _lines(text), start=paths_from or path.parent).settings()


@dataclass(frozen=True)
class _Ini:
    """An INI file, and the problems found so far."""

    path: Path
    values: Mapping[str, Mapping[str, str]]
    """Texts by section and lower-case key."""
    lines: Mapping[tuple[str, str | None], int]
    """Line numbers by section and lower-case key; key None for the section itself."""
    start: Path
    """Folder from which relative paths are resolved."""
    problems: list[tuple[int, str]] = field(default_factory=list)
    """Line numbers (0 for none) and messages."""

    def settings(self) -> RadarSettings:
        self._check_unknown()
        multi = self._value("Processing", "FilteringMode", "multi", _one_of("multi", "mono")) == "multi"
        radius = self._value("Filtering", "Window_radius", 2, _integer(1, MAX_RADIUS_PIXELS))
        self._value("Processing", "gapFilling_interpolation", "linear", _one_of("linear"))
        settings = RadarSettings(
            output=self._value("Paths", "Output", Path(), self._folder),
            raw=self._value("Paths", "S1Images", None, self._located),
            pattern=self._value("Paths", "FilePattern", "", _file_pattern),
            temporal_resolution=self._value("Processing", "TemporalResolution", 10, _integer(1)),
            speckle_radius=radius if multi else 0,
            expressions=self._value("Features", "expression", "", str),
            warnings=self._warnings(multi),
        )
        if not self._given("Paths", "Output"):
            self._add_problem(None, None, "[Paths] Output is missing; give the output folder of S1Tiling")
        if self.problems:
            lines = [f"line {line}: {text}" if line else text for line, text in sorted(self.problems)]
            raise ConfigError(lines, source=str(self.path))
        return settings

    def _check_unknown(self) -> None:
        """Add a problem for each unknown section and key."""
        for section, options in self.values.items():
            if section not in KEYS:
                hint = did_you_mean(section, KEYS) or f"; expected one of {', '.join(KEYS)}"
                self._add_problem(section, None, f"[{section}] is an unknown section{hint}")
                continue
            known = {key.lower() for key in KEYS[section]}
            for key in options:
                if key not in known:
                    self._add_problem(section, key, f"[{section}] {key} is unknown{_hint(section, key)}")

    def _warnings(self, multi: bool) -> tuple[str, ...]:
        """Warnings on keys without effect, one for each reason."""
        by_reason: dict[str, list[str]] = {}
        for section, keys in KEYS.items():
            for key, reason in keys.items():
                if reason and self._given(section, key):
                    by_reason.setdefault(reason, []).append(f"[{section}] {key}")
        notes = [f"{', '.join(keys)}: no effect: {reason}" for reason, keys in by_reason.items()]
        return (*notes, *([] if multi else [f"[Processing] FilteringMode mono: {_MONO}"]))

    def _given(self, section: str, key: str) -> str:
        """The text of a key; empty if it is absent or None."""
        text = self.values.get(section, {}).get(key.lower(), "").strip().strip("'\"")
        return "" if text.lower() == "none" else text

    def _value(self, section: str, key: str, default: T, read: Callable[[str], T]) -> T:
        """The value of a key; the default if the key is absent. An invalid value is added to the problems."""
        text = self._given(section, key)
        try:
            return read(text) if text else default
        except ValueError as err:
            got = "" if text in str(err) else f", got {text!r}"
            self._add_problem(section, key, f"[{section}] {key}: {err}{got}")
            return default

    def _add_problem(self, section: str | None, key: str | None, text: str) -> None:
        """Add a problem of a key, of a section (``key`` None), or of the file (both None)."""
        line = self.lines.get((section, key.lower() if key else None), 0) if section else 0
        self.problems.append((line, text))

    def _located(self, text: str) -> Path:
        return without_dots(Path(self.start, expanded_path(Path(text))))

    def _folder(self, text: str) -> Path:
        folder = self._located(text)
        if not folder.is_dir():
            other = elsewhere(Path(text), self.start, Path.is_dir, home=self.path.parent)
            raise ValueError(f"expected an existing folder; there is no folder {folder}{other}")
        return folder


def _lines(text: str) -> dict[tuple[str, str | None], int]:
    """Line numbers by section and lower-case key; key None for the section itself."""
    found: dict[tuple[str, str | None], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\[([^]]+)\]", line):
            section = header[1]
            found[section, None] = number
        elif entry := re.match(r"([^\s#;:=][^:=]*?)\s*[:=]", line):
            found[section, entry[1].lower()] = number
    return found


def _hint(section: str, key: str) -> str:
    """A suggestion for an unknown key."""
    homes = [home for home, keys in KEYS.items() if key in map(str.lower, keys)]
    if homes:
        return f"; it belongs to [{homes[0]}]"
    return did_you_mean(key, KEYS[section]) or f"; expected one of {', '.join(KEYS[section])}"


def _file_pattern(text: str) -> str:
    named_like(builtin_specs()["Sentinel_1"], text)
    return text


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"expected {' or '.join(choices)}")
        return text.lower()

    return read


def _integer(least: int, most: int | None = None) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text) if re.fullmatch(r"\d{1,6}", text) else -1
        if number < least or (most is not None and number > most):
            raise ValueError(f"expected a whole number from {least}" + (f" to {most}" if most else ""))
        return number

    return read
