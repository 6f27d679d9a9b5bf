"""What a person is told of the sensors that the program knows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from iota2.config.options.sensors import LAYERS, PLACES
from iota2.config.sensors import path_key
from iota2.core.sensor import SensorSpec
from iota2.core.words import nearest
from iota2.errors import UserError
from iota2.io.archive.specs import builtin_specs, load_spec
from iota2.terminal.lines import facts, wrapped


def spec_named(name: str) -> SensorSpec:
    """The sensor of a section, class name, or key of ``chain``, whatever the capital letters; or the one described in a
    YAML file.

    Raises UserError when there is none of that name, and what ``load_spec`` raises.
    """
    if name.lower().endswith((".yaml", ".yml")):
        return load_spec(name)
    words = {spec.section: (spec.section, spec.name, path_key(spec)) for spec in builtin_specs().values()}
    known = {word.lower(): section for section, names in words.items() for word in names if word}
    if name.lower() in (LAYERS.lower(), PLACES[LAYERS]):
        raise UserError(
            f"{name!r} is no sensor: its layers have no products. `iota2 check` with a configuration that has "
            f"chain.{PLACES[LAYERS]} and {LAYERS} says which files are missing."
        )
    if name.lower() not in known:
        near = nearest(name, known)
        hint = f"; did you mean {known[near]}?" if near else "."
        raise UserError(
            f"{name!r} is no sensor that comes with the program, and no YAML file{hint} iota2 sensors lists them."
        )
    return builtin_specs()[known[name.lower()]]


def product_path(spec: SensorSpec) -> str:
    """Where a product lies below the sensor's folder, as an example."""
    return os.path.join(spec.tile_folder.format(tile="<tile>", mgrs="<tile without T>"), spec.example or spec.product)


def sensors_text() -> str:
    """All sensors that come with the program."""
    lines = ["Sensors, by section of the configuration:", ""]
    for spec in sorted(builtin_specs().values(), key=lambda spec: spec.section):
        lines += [*_lines(spec), ""]
    return "\n".join(
        [
            *lines,
            *wrapped(f"{LAYERS}: chain.{PLACES[LAYERS]}. Layers without dates, such as altitudes: features as such."),
            *wrapped("Others: chain.user_sensors, with a description of your own (docs/howto/add-a-sensor.md)."),
            "",
            "Files of one: iota2 sensors NAME. What would be recognized in a folder: iota2 sensors NAME FOLDER",
        ]
    )


def sensor_text(spec: SensorSpec) -> str:
    """One sensor with the files that it needs."""
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
    """Pattern of each file, and what is in it."""
    for pattern in dict.fromkeys(item.file for item in spec.parts):
        items = [item for item in spec.parts if item.file == pattern]
        optional = all(getattr(item, "optional", False) for item in items)
        yield pattern, " ".join(item.name for item in items) + (", not needed" if optional else "")
    if spec.metadata is not None:
        yield spec.metadata.file, "scale and offset of the bands"


def sensors_json(specs: Iterable[SensorSpec]) -> list[dict[str, Any]]:
    """Sensors as plain values."""
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
