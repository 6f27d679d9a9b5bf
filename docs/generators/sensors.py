"""The page about sensors: those that come with the program, and the keys of a description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from importlib.resources import files

from generators.markdown import MADE, code, codes, table
from iota2.config.options.sensors import PATHS, PLACES
from iota2.core.sensor import BandSpec, MaskRule, MetadataSpec, SensorSpec
from iota2.io.archive.specs import KEYS, parse_spec

HEAD = f"""{MADE}

# Sensors

A sensor is one YAML file. Those below come with the program; a description of your own is named in
`chain.user_sensors` ([how to add a sensor](../howto/add-a-sensor.md)).

Products lie in `<path>/<tile>/<product folder>/`, or side by side in `<path>/<tile>/` where the table says so. What
does not match the pattern of products is passed over, and reported. Inputs are only ever read.

`iota2 sensors` shows what is recognized in a folder.
"""

TRIED = {
    "Sentinel_2": "Tried on real products of THEIA, of 2018.",
    "Sentinel_2_S2C": "Tried on real products of ESA: all files of one of baseline 02.14, metadata and scene "
    "classification of one of baseline 04.00.",
}
"""What each sensor was tried on, by section."""

REMARKS = {
    "Landsat5_old": "Red, near and shortwave infrared are bands 3, 4 and 5 of this instrument. Chains that take bands "
    "4, 5 and 6, as of Landsat 8, get other indices.",
    "Landsat8_usgs_optical": "Scenes of several paths and rows may lie in the folder of one tile, if they overlap and "
    "have one projection: the tile is all that they show together.",
    "Sentinel_2_S2C": "JPEG 2000 files that are cut short are noticed. Bytes that are damaged inside of one are not: "
    "the format has no checksums, and such a file is decoded to other values. The sums in `manifest.safe` tell it.",
}
"""What else there is to say, by section."""

NEVER_TRIED = (
    "**Never tried on real files.** None were at hand: names, masks and bits are those of published descriptions, and "
    "the tests make products by them. `iota2 sensors` shows whether yours are recognized."
)


def sensors_page() -> str:
    """Every sensor, the keys of a description, and a commented description."""
    texts = _descriptions()
    specs = {parse_spec(text, source=name).section: text for name, text in texts.items()}
    order = [section for section in PLACES if section in specs]
    return "\n".join([HEAD, *(_sensor(specs[section]) for section in order), _keys(), _example(texts)])


def _sensor(text: str) -> str:
    """One sensor; the first line of its description says what it is."""
    spec = parse_spec(text, source="")
    title = text.split("\n", maxsplit=1)[0].lstrip("# ")
    whole = spec.products == "folders"
    units = f"file value × {spec.scale:g} + {spec.offset:g}"
    if spec.metadata:
        units = f"(file value + offset) / quantification × 10000, as {code(spec.metadata.file)} of each product says"
    given = (
        code(f"chain.{PATHS[spec.section]}") if spec.section in PATHS else "named in the INI file of `chain.s1_path`"
    )
    facts = [
        ("folder of the products", given),
        ("section of its options", code(spec.section)),
        ("folder of a tile", code(spec.tile_folder)),
        ("product folders" if whole else "files of products", code(spec.product)),
        ("for example", code(spec.example)),
        ("reference band: its pixels are those of the tile", code(spec.reference.name)),
        ("nodata", code(f"{spec.nodata:g}") if spec.nodata is not None else "none"),
        ("product units", units),
        ("dates begin and end at different pixels", "yes" if spec.varying_extent else "no"),
        ("spectral indices", "yes" if spec.spectral else "no"),
        ("resampling of bands of another resolution", spec.resampling),
        ("days between interpolation dates, by default", str(spec.temporal_resolution)),
        ("passed over without a word", codes(spec.ignore) or "nothing"),
    ]
    bands = [(code(b.name), code(b.file), str(b.index), b.role or "") for b in spec.bands]
    return "\n".join(
        [
            f"## {spec.name}\n\n{title}\n\n{TRIED.get(spec.section, NEVER_TRIED)}\n",
            *([f"{REMARKS[spec.section]}\n"] if spec.section in REMARKS else []),
            table(("what", "value"), facts),
            table(
                ("band", f"file in the {'product' if whole else 'tile'} folder", "band of the file", "role in indices"),
                bands,
            ),
            table(
                ("mask", "file", "a pixel is not valid when", "says where images end", "needed"),
                [_mask(rule) for rule in spec.masks],
            ),
        ]
    )


def _mask(rule: MaskRule) -> tuple[str, ...]:
    when = [f"bit {_either(rule.bits)} is set"] if rule.bits else []
    when += [f"its value is {_either(rule.values)}"] if rule.values else []
    edge, needed = "yes" if rule.edge else "", "no" if rule.optional else "yes"
    return code(rule.name), code(rule.file), " or ".join(when) or "its value is not 0", edge, needed


def _either(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} or {last}" if first else last


def _keys() -> str:
    parts = ["## Keys of a description\n\nUnknown keys are refused. What each key means stands in the example below.\n"]
    for title, cls in (
        ("The sensor", SensorSpec),
        ("An entry of `bands`", BandSpec),
        ("An entry of `masks`", MaskRule),
        ("`metadata`", MetadataSpec),
    ):
        rows = [(code(item.name), code(item.type), _default(item)) for item in fields(cls) if item.name in KEYS[cls]]
        parts.append(f"{title}:\n\n{table(('key', 'type', 'default'), rows)}")
    return "\n".join(parts)


def _default(item: Field[object]) -> str:
    return "needed" if item.default is MISSING else code(repr(item.default))


def _example(texts: Mapping[str, str]) -> str:
    name = "sentinel_2.yaml"
    return f"## A commented description\n\nThis is `src/iota2/sensors/{name}`:\n\n```yaml\n{texts[name]}```\n"


def _descriptions() -> dict[str, str]:
    """The descriptions that come with the program, by the name of their file."""
    folder = files("iota2") / "sensors"
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }
