"""Reading and validation of sensor descriptions (``sensors/<name>.yaml``)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from iota2.core.files import read_text
from iota2.core.sensor import UNLISTED, BandSpec, LookAlike, MaskRule, MetadataSpec, SensorOption, SensorSpec, SeriesBy
from iota2.core.words import nearest
from iota2.errors import ConfigError, InputError, remedy_of

Check = Callable[[Any], Any]
"""Converts a value of the file to a value of the description; ValueError with the expected form."""


@cache
def builtin_specs() -> Mapping[str, SensorSpec]:
    """Descriptions of the built-in sensors by configuration section."""
    folder = files("iota2") / "sensors"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    specs = [parse_spec((folder / name).read_text(encoding="utf-8"), source=name) for name in names]
    return {spec.section: spec for spec in specs}


def specs_in_feature_order() -> list[SensorSpec]:
    """Descriptions of the built-in sensors in the order of their features."""
    return sorted(builtin_specs().values(), key=lambda spec: spec.option.place if spec.option else UNLISTED)


def folder_options() -> list[SensorOption]:
    """Options with the path of the images of a built-in sensor, in the order in which lists show them.

    Sentinel-1 has no such option: it is configured by a file.
    """
    options = [spec.option for spec in builtin_specs().values() if spec.option and spec.products == "folders"]
    return sorted(options, key=lambda option: option.listed)


def load_spec(path: str | Path) -> SensorSpec:
    """The sensor described in a YAML file of the user.

    InputError if the file cannot be read; ConfigError with all problems of its content, each with its line.
    """
    try:
        text = read_text(path)
    except OSError as err:
        message = f"the sensor description cannot be read: {err.strerror}. {remedy_of(err)}"
        raise InputError(f"{path}: {message}.") from err
    except UnicodeDecodeError as err:
        raise InputError(f"{path}: the sensor description is not UTF-8 text ({err}). Save it as UTF-8.") from err
    spec = parse_spec(text, source=str(path))
    if spec.section in builtin_specs():
        message = f"section: {spec.section!r} belongs to a built-in sensor; expected another name"
        raise ConfigError([f"{message}, such as {spec.name!r}"], source=str(path))
    return spec


def parse_spec(text: str, *, source: str) -> SensorSpec:
    """The sensor described by YAML ``text``; ``source`` is its name in messages.

    ConfigError with all problems.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as err:
        raise ConfigError([f"not valid YAML: {err}"], source=source) from err
    except RecursionError as err:
        raise ConfigError(["not valid YAML: values are nested too deeply; simplify them"], source=source) from err
    problems: list[str] = []
    values = _read_mapping(node, _SENSOR_KEYS, _SENSOR_REQUIRED, "the sensor", problems)
    if not problems:
        problems += _contradictions(values)
    if problems:
        raise ConfigError(problems, source=source)
    return SensorSpec(**values)


def _read_mapping(
    node: yaml.Node | None,
    keys: Mapping[str, Check | Callable[[yaml.Node, list[str]], Any]],
    required: tuple[str, ...],
    what: str,
    problems: list[str],
) -> dict[str, Any]:
    """Converted values of a YAML mapping; errors are appended to ``problems``."""
    if not isinstance(node, yaml.MappingNode):
        where = f"line {node.start_mark.line + 1}: " if node else ""
        problems.append(f"{where}{what} must be a mapping of keys and values ({', '.join(keys)})")
        return {}
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key not in keys:
            problems.append(f"line {line}: {what} has an unknown key {key!r}{_nearest(key, keys)}")
        elif key in values:
            problems.append(f"line {line}: {what} has the key {key!r} twice")
        else:
            values[key] = _read_value(key, value_node, keys[key], what, problems)
    line = node.start_mark.line + 1
    problems += [f"line {line}: {what} lacks the key {key!r}" for key in required if key not in values]
    return values


def _read_value(key: str, node: yaml.Node, check: Any, what: str, problems: list[str]) -> Any:
    """One converted value; nested mappings are read from the node, so that problems have line numbers."""
    if key in _NODE_READERS:
        return _read_list(key, node, problems)
    if key == "metadata":
        values = _read_mapping(node, _METADATA_KEYS, ("file", "quantification"), key, problems)
        return MetadataSpec(**values) if {"file", "quantification"} <= values.keys() else None
    if key == "series_by":
        values = _read_mapping(node, _SERIES_KEYS, ("group", "values"), key, problems)
        return SeriesBy(**values) if {"group", "values"} <= values.keys() else None
    if key == "option":
        values = _read_mapping(node, _OPTION_KEYS, ("key", "holds"), key, problems)
        return SensorOption(**values) if {"key", "holds"} <= values.keys() else None
    try:
        value = _plain(node)
        return check(value)
    except yaml.YAMLError:
        problems.append(f"line {node.start_mark.line + 1}: {what}: {key} must be plain text, number or list")
    except ValueError as err:
        problems.append(f"line {node.start_mark.line + 1}: {what}: {key} must be {err}, not {value!r}")
    return None


def _read_list(key: str, node: yaml.Node, problems: list[str]) -> tuple[Any, ...]:
    """Values of a list of mappings: bands, masks or look-alikes."""
    make, keys, required, what = _NODE_READERS[key]
    if not isinstance(node, yaml.SequenceNode):
        problems.append(f"line {node.start_mark.line + 1}: {key} must be a list, one entry for each {what}")
        return ()
    before = len(problems)
    found = [_read_mapping(item, keys, required, f"{what} {k + 1}", problems) for k, item in enumerate(node.value)]
    return tuple(make(**values) for values in found) if len(problems) == before else ()


def _plain(node: yaml.Node) -> Any:
    """Python value of a YAML node: numbers, text, lists and dicts only."""
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def _nearest(key: str, keys: Mapping[str, Any]) -> str:
    near = nearest(key, keys)
    return f" (did you mean {near!r}?)" if near else f" (known: {', '.join(keys)})"


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Problems of keys that are valid individually but not together."""
    bands, masks = values["bands"], values.get("masks", ())
    names = Counter([item.name for item in (*bands, *masks)])
    roles = Counter([band.role for band in bands if band.role])
    problems = [f"the name {name!r} is given to {n} bands or masks" for name, n in names.items() if n > 1]
    problems += [f"the role {role!r} is given to {n} bands" for role, n in roles.items() if n > 1]
    reference = values.get("reference_band", "")
    if reference and reference not in [band.name for band in bands]:
        problems.append(f"reference_band {reference!r} is not one of the bands ({', '.join(b.name for b in bands)})")
    series, groups = values.get("series_by"), re.compile(values["product"]).groupindex
    if series and series.group not in groups:
        problems.append(f"series_by.group {series.group!r} is not a group of product, {values['product']}")
    example = values.get("example")
    if example and not re.match(values["product"], example):
        problems.append(f"the example {example!r} does not match product")
    if not bands:
        problems.append("bands is empty: a sensor has at least one band")
    if values.get("metadata") and values["metadata"].offset:
        nameless = [band.name for band in bands if not band.id]
        problems += [f"the band {name!r} has no id, which metadata.offset needs" for name in nameless]
    return problems


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", value):
        raise ValueError("a word of letters and digits that begins with a letter")
    return value


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError("a number or a text")
    return str(value)


def _section(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z]\w*", value):
        raise ValueError("a word of letters, digits and underscores")
    return value


def _element(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w*.-]+", value):
        raise ValueError("the name of an XML element, with * for any characters")
    return value


def _tile_folder(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.-]*\{(tile|mgrs)\}[\w.-]*", value):
        raise ValueError("the name of a folder with {tile} or {mgrs} in it")
    return value


def _glob(value: Any) -> str:
    path = PurePosixPath(_text(value))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("a pattern inside the product folder")
    return str(value)


def _patterns(value: Any) -> tuple[str, ...]:
    return tuple(_glob(pattern) for pattern in _globs(value))


def _globs(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("a list of names or patterns")
    return tuple(_text(item) for item in value)


def _look_alike(**values: str) -> LookAlike:
    return LookAlike(name=values["name"], kind=values["is"])


def _expression(value: Any) -> str:
    try:
        return re.compile(_text(value)).pattern
    except re.error as err:
        raise ValueError(f"a regular expression ({err})") from err


def _product(value: Any) -> str:
    pattern = re.compile(_expression(value))
    if "date" not in pattern.groupindex:
        raise ValueError(r"a regular expression with a group for the date, (?P<date>\d{8})")
    return str(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a finite number")
    return float(value)


def _scale(value: Any) -> float:
    if _number(value) == 0:
        raise ValueError("a number other than 0")
    return float(value)


def _nodata(value: Any) -> float | None:
    """A number, NaN included: files may use NaN as nodata value."""
    nan = isinstance(value, float) and math.isnan(value)
    return value if value is None or nan else _number(value)


def _positive(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("a whole number from 1")
    return value


def _bits(value: Any) -> tuple[int, ...]:
    numbers = _integers(value)
    if not all(0 <= bit < 32 for bit in numbers):
        raise ValueError("a list of bit numbers from 0 to 31")
    return numbers


def _integers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise ValueError("a list of whole numbers")
    return tuple(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _words_of(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not value or not all(isinstance(text, str) for text in (*value, *value.values())):
        raise ValueError("a mapping of values in names to words")
    return tuple((key.upper(), word) for key, word in value.items())


def _choice(*choices: str) -> Check:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return str(value)

    return check


_BAND_KEYS: Mapping[str, Check] = {
    "name": _word,
    "file": _glob,
    "role": _choice("blue", "green", "red", "nir", "swir"),
    "index": _positive,
    "id": _id,
    "assets": _globs,
}
_MASK_KEYS: Mapping[str, Check] = {
    "name": _word,
    "file": _glob,
    "bits": _bits,
    "values": _integers,
    "edge": _flag,
    "optional": _flag,
    "alternatives": _patterns,
    "spare": _flag,
    "assets": _globs,
}
_METADATA_KEYS: Mapping[str, Check] = {"file": _glob, "quantification": _element, "offset": _element}
_OPTION_KEYS: Mapping[str, Check] = {"key": _section, "holds": _text, "listed": _positive, "place": _positive}
_SERIES_KEYS: Mapping[str, Check] = {"group": _word, "values": _words_of, "names": _glob}
_LOOK_ALIKE_KEYS: Mapping[str, Check] = {"name": _expression, "is": _text}
_NODE_READERS: Mapping[str, tuple[Callable[..., Any], Mapping[str, Check], tuple[str, ...], str]] = {
    "bands": (BandSpec, _BAND_KEYS, ("name", "file"), "band"),
    "masks": (MaskRule, _MASK_KEYS, ("name", "file"), "mask"),
    "mistaken_for": (_look_alike, _LOOK_ALIKE_KEYS, ("name", "is"), "look-alike"),
}
_SENSOR_REQUIRED = ("name", "section", "product", "bands", "masks")
_SENSOR_KEYS: Mapping[str, Check] = {
    "name": _section,
    "section": _section,
    "product": _product,
    "example": _text,
    "bands": tuple,
    "masks": tuple,
    "nodata": _nodata,
    "scale": _scale,
    "offset": _number,
    "metadata": dict,
    "platforms": _globs,
    "pieces": _glob,
    "products": _choice("folders", "files"),
    "tile_folder": _tile_folder,
    "spectral": _flag,
    "varying_extent": _flag,
    "resampling": _choice("cubic", "bilinear", "nearest"),
    "temporal_resolution": _positive,
    "reference_band": _word,
    "file_nodata": _choice("honoured", "ignored"),
    "ignore": _globs,
    "mistaken_for": tuple,
    "series_by": dict,
    "option": dict,
}
DESCRIPTION_KEYS: Mapping[type, Iterable[str]] = {
    SensorSpec: _SENSOR_KEYS,
    BandSpec: _BAND_KEYS,
    MaskRule: _MASK_KEYS,
    MetadataSpec: _METADATA_KEYS,
    SensorOption: _OPTION_KEYS,
    SeriesBy: _SERIES_KEYS,
}
"""Allowed keys of a sensor description and of its parts, by class."""
