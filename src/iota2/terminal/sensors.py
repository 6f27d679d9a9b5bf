"""Descriptions of the known sensors for the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from iota2.config.options.sensors import ENABLING_KEYS, LAYERS
from iota2.config.sensors import path_key
from iota2.core.sensor import SensorSpec
from iota2.core.words import nearest
from iota2.errors import UserError
from iota2.io.archive.specs import builtin_specs, load_spec
from iota2.terminal.lines import facts, wrapped


def spec_named(name: str) -> SensorSpec:
    """The sensor with this section, class name or key of ``chain``, in any letter case, or the one of a YAML file.

    Raises UserError for an unknown name, and the errors of ``load_spec``.
    """
    if name.lower().endswith((".yaml", ".yml")):
        return load_spec(name)
    words = {spec.section: (spec.section, spec.name, path_key(spec)) for spec in builtin_specs().values()}
    known = {word.lower(): section for section, names in words.items() for word in names if word}
    if name.lower() in (LAYERS.lower(), ENABLING_KEYS[LAYERS]):
        raise UserError(
            f"{name!r} is not a sensor: its layers have no products. `iota2 check` with a configuration that has "
            f"chain.{ENABLING_KEYS[LAYERS]} and {LAYERS} reports missing files."
        )
    if name.lower() not in known:
        near = nearest(name, known)
        hint = f"; did you mean {known[near]}?" if near else "."
        raise UserError(
            f"{name!r} is neither a built-in sensor nor a YAML file{hint} List the sensors with: iota2 sensors"
        )
    return builtin_specs()[known[name.lower()]]


def product_path(spec: SensorSpec) -> str:
    """Example path of a product, relative to the sensor's folder."""
    return os.path.join(spec.tile_folder.format(tile="<tile>", mgrs="<tile without T>"), spec.example or spec.product)


def sensors_text() -> str:
    """All built-in sensors."""
    lines = ["Sensors, by section of the configuration:", ""]
    for spec in sorted(builtin_specs().values(), key=lambda spec: spec.section):
        lines += [*_lines(spec), ""]
    return "\n".join(
        [
            *lines,
            *wrapped(
                f"{LAYERS}: chain.{ENABLING_KEYS[LAYERS]}. Layers without dates, such as altitude: used as features."
            ),
            *wrapped("Other sensors: chain.user_sensors, with your own description (docs/howto/add-a-sensor.md)."),
            "",
            "Files of a sensor: iota2 sensors NAME. Products recognised in a folder: iota2 sensors NAME FOLDER",
        ]
    )


def sensor_text(spec: SensorSpec) -> str:
    """One sensor with its files."""
    return "\n".join([*_lines(spec), "  files of a product:", *facts(_files(spec), indent="    ")])


def _lines(spec: SensorSpec) -> Iterator[str]:
    key = path_key(spec)
    yield f"{spec.section}: {f'chain.{key}' if key else 'chain.user_sensors'}"
    names = (f"{series.name}_{spec.bands[0].name}_20180511" for series in spec.series)
    yield from facts(
        [
            ("bands", " ".join(spec.band_names)),
            ("masks", " ".join(mask.name for mask in spec.masks) or "none"),
            ("features", f"{', '.join(names)} …, by default every {spec.temporal_resolution} days"),
            ("folders" if spec.products == "folders" else "files", product_path(spec)),
        ]
    )


def _files(spec: SensorSpec) -> Iterator[tuple[str, str]]:
    """Pattern of each file of a product, with the file's content."""
    for pattern in dict.fromkeys(item.file for item in spec.parts):
        items = [item for item in spec.parts if item.file == pattern]
        optional = all(getattr(item, "optional", False) for item in items)
        yield pattern, " ".join(item.name for item in items) + (", optional" if optional else "")
    if spec.metadata is not None:
        yield spec.metadata.file, "scale and offset of the bands"


def sensors_json(specs: Iterable[SensorSpec]) -> list[dict[str, Any]]:
    """Sensors as values for JSON."""
    return [
        {
            "section": spec.section,
            "names": [series.name for series in spec.series],
            "path": path_key(spec),
            "bands": list(spec.band_names),
            "masks": [mask.name for mask in spec.masks],
            "temporal_resolution": spec.temporal_resolution,
            "product": spec.product,
            "example": product_path(spec),
            "files": dict(_files(spec)),
        }
        for spec in specs
    ]
