"""The page on sensors: the built-in ones, and the keys of a description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from importlib.resources import files

from generators.markdown import GENERATED, code, codes, table
from iota2.config.options.sensors import ENABLING_KEYS, FOLDER_KEYS
from iota2.core.sensor import BandSpec, MaskRule, MetadataSpec, SensorSpec
from iota2.io.archive.specs import DESCRIPTION_KEYS, parse_spec

HEAD = f"""{GENERATED}

# Sensors

A sensor is one YAML file. The sensors below are built in; your own descriptions are given in
`chain.user_sensors` ([how to add a sensor](../howto/add-a-sensor.md)).

Products are in `<path>/<tile>/<product folder>/`, or without product folders in `<path>/<tile>/` if the table says so.
Files and folders that do not match the pattern of products are ignored and reported. Inputs are never modified.

`iota2 sensors NAME FOLDER` lists the products it recognises in a folder.
"""

TESTED_ON = {
    "Sentinel_2": "Tested on real products of THEIA, from 2018.",
    "Sentinel_2_S2C": "Tested on real products of ESA: all files of a product of baseline 02.14, metadata and scene "
    "classification of a product of baseline 04.00.",
}
"""Real products that each sensor was tested on, by section."""

REMARKS = {
    "Landsat5_old": "Red, near and shortwave infrared are bands 3, 4 and 5 of this instrument. Programs that use bands "
    "4, 5 and 6, as for Landsat 8, get other indices.",
    "Landsat8_usgs_optical": "The folder of one tile can contain scenes of several paths and rows, if they overlap and "
    "have the same projection: the tile is the union of their extents.",
    "Sentinel_2_S2C": "Truncated JPEG 2000 files are detected. Damaged bytes inside a file are not: "
    "the format has no checksums, and such a file is decoded to other values. The checksums in `manifest.safe` "
    "reveal it.",
}
"""Remarks about a sensor, by section."""

NOT_TESTED = (
    "**Not tested on real products.** Names, masks and bits follow published descriptions, and tests use synthetic "
    "products. `iota2 sensors` shows whether your products are recognised."
)


def sensors_page() -> str:
    """Every sensor, the keys of a description, and a commented description."""
    texts = _descriptions()
    specs = {parse_spec(text, source=name).section: text for name, text in texts.items()}
    order = [section for section in ENABLING_KEYS if section in specs]
    return "\n".join([HEAD, *(_sensor(specs[section]) for section in order), _keys(), _example(texts)])


def _sensor(text: str) -> str:
    """The section of one sensor; its first sentence is the first line of the description ``text``."""
    spec = parse_spec(text, source="")
    title = text.split("\n", maxsplit=1)[0].lstrip("# ")
    has_folders = spec.products == "folders"
    units = f"file value × {spec.scale:g} + {spec.offset:g}"
    if spec.metadata:
        source = code(spec.metadata.file)
        units = f"(file value + offset) / quantification × 10000, with the numbers in {source} of each product"
    given = (
        code(f"chain.{FOLDER_KEYS[spec.section]}")
        if spec.section in FOLDER_KEYS
        else "in the INI file of `chain.s1_path`"
    )
    facts = [
        ("folder of the products", given),
        ("section of its options", code(spec.section)),
        ("folder of a tile", code(spec.tile_folder)),
        ("product folders" if has_folders else "files of products", code(spec.product)),
        ("for example", code(spec.example)),
        ("reference band, which defines the grid of the tile", code(spec.reference.name)),
        ("nodata", code(f"{spec.nodata:g}") if spec.nodata is not None else "none"),
        ("product units", units),
        ("extent varies between dates", "yes" if spec.varying_extent else "no"),
        ("spectral indices", "yes" if spec.spectral else "no"),
        ("resampling of bands of another resolution", spec.resampling),
        ("days between interpolation dates (default)", str(spec.temporal_resolution)),
        ("ignored silently", codes(spec.ignore) or "–"),
    ]
    bands = [(code(b.name), code(b.file), str(b.index), b.role or "") for b in spec.bands]
    return "\n".join(
        [
            f"## {spec.name}\n\n{title}\n\n{TESTED_ON.get(spec.section, NOT_TESTED)}\n",
            *([f"{REMARKS[spec.section]}\n"] if spec.section in REMARKS else []),
            table(("property", "value"), facts),
            table(
                (
                    "band",
                    f"file in the {'product' if has_folders else 'tile'} folder",
                    "band of the file",
                    "role in indices",
                ),
                bands,
            ),
            table(
                ("mask", "file", "a pixel is masked if", "edge mask", "mandatory"),
                [_mask(rule) for rule in spec.masks],
            ),
        ]
    )


def _mask(rule: MaskRule) -> tuple[str, ...]:
    when = [f"bit {_joined_by_or(rule.bits)} is set"] if rule.bits else []
    when += [f"its value is {_joined_by_or(rule.values)}"] if rule.values else []
    edge, needed = "yes" if rule.edge else "", "no" if rule.optional else "yes"
    return code(rule.name), code(rule.file), " or ".join(when) or "its value is not 0", edge, needed


def _joined_by_or(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} or {last}" if first else last


def _keys() -> str:
    parts = ["## Keys of a description\n\nUnknown keys are errors. The example below explains each key.\n"]
    for title, cls in (
        ("The sensor", SensorSpec),
        ("An entry of `bands`", BandSpec),
        ("An entry of `masks`", MaskRule),
        ("`metadata`", MetadataSpec),
    ):
        keys = DESCRIPTION_KEYS[cls]
        rows = [(code(item.name), code(item.type), _default(item)) for item in fields(cls) if item.name in keys]
        parts.append(f"{title}:\n\n{table(('key', 'type', 'default'), rows)}")
    return "\n".join(parts)


def _default(item: Field[object]) -> str:
    return "mandatory" if item.default is MISSING else code(repr(item.default))


def _example(texts: Mapping[str, str]) -> str:
    name = "sentinel_2.yaml"
    return f"## A commented description\n\nThis is `src/iota2/sensors/{name}`:\n\n```yaml\n{texts[name]}```\n"


def _descriptions() -> dict[str, str]:
    """Texts of the built-in descriptions, by file name."""
    folder = files("iota2") / "sensors"
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }
