"""The page about sensors: those that come with the program, and the keys of a description."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from importlib.resources import files

from generators.markdown import MADE, code, codes, table
from iota2.config.options_sensors import Sensor
from iota2.config.schema import SECTIONS
from iota2.config.sensors import PATHS
from iota2.core.sensor import BandSpec, MaskRule, SensorSpec
from iota2.io.specs import builtin_specs

HEAD = f"""{MADE}

# Sensors

A sensor is one YAML file. Those below come with the program; a description of your own is named in
`chain.user_sensors` ([how to add a sensor](../howto/add-a-sensor.md)).

Products lie in `<path>/<tile>/<product folder>/`. Folders whose names do not match the pattern of products are passed
over, and reported. Inputs are only ever read.
"""


def sensors_page() -> str:
    """Every sensor, the keys of a description, and a commented description."""
    return "\n".join([HEAD, *(_sensor(spec) for spec in builtin_specs().values()), _later(), _keys(), _example()])


def _sensor(spec: SensorSpec) -> str:
    facts = [
        ("folder of the products", code(f"chain.{PATHS[spec.section]}")),
        ("section of its options", code(spec.section)),
        ("product folders", code(spec.product)),
        ("reference band: its pixels are those of the tile", code(spec.reference.name)),
        ("nodata", code(spec.nodata) if spec.nodata is not None else "none"),
        ("product units", f"file value × {spec.scale:g} + {spec.offset:g}"),
        ("resampling of bands of another resolution", spec.resampling),
        ("days between interpolation dates, by default", str(spec.temporal_resolution)),
        ("passed over without a word", codes(spec.ignore) or "nothing"),
    ]
    bands = [(code(b.name), code(b.file), str(b.index), b.role or "") for b in spec.bands]
    return "\n".join(
        [
            f"## {spec.name}\n",
            table(("what", "value"), facts),
            table(("band", "file in the product folder", "band of the file", "role in indices"), bands),
            table(
                ("mask", "file in the product folder", "a pixel is not valid when", "says where images end", "needed"),
                [_mask(rule) for rule in spec.masks],
            ),
        ]
    )


def _mask(rule: MaskRule) -> tuple[str, ...]:
    when = [f"one of the bits {', '.join(map(str, rule.bits))} is set"] if rule.bits else []
    when += [f"its value is one of {', '.join(map(str, rule.values))}"] if rule.values else []
    edge, needed = "yes" if rule.edge else "", "no" if rule.optional else "yes"
    return code(rule.name), code(rule.file), " or ".join(when) or "its value is not 0", edge, needed


def _later() -> str:
    known = [name for name, cls in SECTIONS.items() if issubclass(cls, Sensor) and name not in builtin_specs()]
    return f"## Not available yet\n\nThe sections {codes(known)} are known; their options take their defaults only.\n"


def _keys() -> str:
    parts = ["## Keys of a description\n\nUnknown keys are refused. What each key means stands in the example below.\n"]
    for title, cls in (
        ("The sensor", SensorSpec),
        ("An entry of `bands`", BandSpec),
        ("An entry of `masks`", MaskRule),
    ):
        rows = [(code(item.name), code(item.type), _default(item)) for item in fields(cls)]
        parts.append(f"{title}:\n\n{table(('key', 'type', 'default'), rows)}")
    return "\n".join(parts)


def _default(item: Field[object]) -> str:
    return "needed" if item.default is MISSING else code(repr(item.default))


def _example() -> str:
    return "\n".join(["## A commented description\n", *_files()])


def _files() -> Iterator[str]:
    """The first description that comes with the program, as it is."""
    folder = files("iota2") / "sensors"
    name = min(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    yield f"This is `src/iota2/sensors/{name}`:\n\n```yaml\n{(folder / name).read_text(encoding='utf-8')}```\n"
