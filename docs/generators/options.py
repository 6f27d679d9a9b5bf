"""The page on the options of the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic.fields import FieldInfo

from generators.markdown import GENERATED
from iota2.chains import BUILDERS
from iota2.config import legacy
from iota2.config.options.fields import Section
from iota2.config.options.schema import SECTIONS
from iota2.options import Options, about, default_of, is_mandatory, keys, kind, limits, nested, shown


def options_page() -> str:
    """Every option of the configuration, section by section, and the legacy names."""
    parts = [
        f"""{GENERATED}

# Options

A configuration has sections with `key : value` entries, in a `.cfg` file (in braces, or indented below the name of
the section) or in YAML. Relative paths start at the folder of the configuration file. An option without default is
mandatory. An option that is not available yet is accepted only with its default value. Options of builders that are
not selected are accepted with any value and have no effect. None selects the default.

The column *builders* contains the letters of the builders that use an option. {_builders()}.
[Add a builder](../howto/add-a-builder.md) describes user-defined builders.
"""
    ]
    parts.extend("\n".join(_section(name, cls)) for name, cls in SECTIONS.items())
    parts.append("\n".join(_legacy_names()))
    return "\n".join(parts)


def _builders() -> str:
    """The letters of the builders."""
    return ", ".join(f"{builder.letter} `{builder.name}`" for builder in BUILDERS)


def _section(name: str, cls: type[Section]) -> Iterator[str]:
    yield f"## {name}\n\n{cls.about_section}\n"
    yield from _table(name, cls, cls.builders)


def _table(path: str, cls: type[Options], builders: str) -> Iterator[str]:
    """The options of a section or dictionary, then those of the dictionaries inside it."""
    rows = ((key, info, about(info).builders or builders) for key, info in keys(cls).items())
    yield from options_table(rows, "builders")
    for key, info in keys(cls).items():
        inner = nested(info)
        if inner:
            yield f"### {path}.{key}\n"
            yield from _table(f"{path}.{key}", inner, about(info).builders or builders)


Row = tuple[str, FieldInfo, str]
"""An option in a table: its name, its field, and the content of the table's own column."""


def options_table(rows: Iterable[Row], column: str) -> Iterator[str]:
    """Lines of a table of options; ``column`` is the title of its own column."""
    yield f"| option | type | limits | default | {column} | available | meaning |"
    yield "|---|---|---|---|---|---|---|"
    for key, info, own in rows:
        cells = [f"`{key}`", kind(info), limits(info), _default(info), own, _available(info), info.description or ""]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _default(info: FieldInfo) -> str:
    """The default, with that of the toolbox if it is another one."""
    if is_mandatory(info):
        return ""
    toolbox = about(info).toolbox_default
    return f"`{shown(default_of(info))}`" + ("" if toolbox is None else f" (toolbox: `{shown(toolbox)}`)")


def _available(info: FieldInfo) -> str:
    known = about(info)
    if known.status == "later":
        return "not yet"
    if known.status == "no effect":
        return f"no effect: {known.reason}"
    return f"yes; not yet {', '.join(map(repr, known.later))}" if known.later else "yes"


def _legacy_names() -> Iterator[str]:
    yield "## Legacy names\n\nLegacy names of options and sections are read as the current ones.\n"
    yield "| legacy | current |"
    yield "|---|---|"
    for old, new in legacy.SECTIONS.items():
        yield f"| section `{old}` | section `{new}` |"
    for old, (section, key) in legacy.OPTIONS.items():
        yield f"| `{old}` | `{section or '(any sensor)'}.{key}` |"
    for builder in BUILDERS:
        for alias in builder.aliases:
            yield f"| builder `{alias}` | builder `{builder.name}` |"
    yield "\nNames that differ only in case and underscores are also read.\n"
    for section, names in legacy.WITHOUT_EFFECT.items():
        yield f"These options of section `{section}` no longer have an effect: {_listed(names)}.\n"
    yield f"The same applies to these options in the section of a sensor: {_listed(legacy.SENSORS_WITHOUT_EFFECT)}.\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
