"""The page about the options of the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic.fields import FieldInfo

from generators.markdown import MADE
from iota2.chains import BUILDERS
from iota2.chains.lookup import UNAVAILABLE_BUILDERS
from iota2.config import legacy
from iota2.config.options.fields import (
    Options,
    Section,
    about,
    default_of,
    is_mandatory,
    keys,
    kind,
    limits,
    nested,
    shown,
)
from iota2.config.options.schema import SECTIONS


def options_page() -> str:
    """Every option of the configuration, section by section, and the legacy names."""
    parts = [
        f"""{MADE}

# Options

A configuration has sections with `key : value` entries, in a `.cfg` file (in braces, or indented below the name of
the section) or in YAML. Relative paths start at the folder of the configuration file. An option without default is
mandatory. An option that is not available yet is accepted only with its default value. Options of builders that are
not selected are accepted with any value and have no effect. None selects the default.

Builders: {_letters()}. User-defined builders: [how to add one](../howto/add-a-builder.md).
"""
    ]
    parts.extend("\n".join(_section(name, cls)) for name, cls in SECTIONS.items())
    parts.append("\n".join(_old_names()))
    return "\n".join(parts)


def _letters() -> str:
    """The builders with their letters."""
    now = ", ".join(f"{builder.letter} `{builder.name}`" for builder in BUILDERS)
    return f"{now}; not yet {', '.join(f'{letter} `{name}`' for name, letter in UNAVAILABLE_BUILDERS.items())}"


def _section(name: str, cls: type[Section]) -> Iterator[str]:
    yield f"## {name}\n\n{cls.about_section}\n"
    yield from _table(name, cls, cls.builders)


def _table(path: str, cls: type[Options], builders: str) -> Iterator[str]:
    """The options of a section or dictionary, then those of the dictionaries inside it."""
    yield from _rows(keys(cls), builders)
    for key, info in keys(cls).items():
        inner = nested(info)
        if inner:
            yield f"### {path}.{key}\n"
            yield from _table(f"{path}.{key}", inner, about(info).builders or builders)


def _rows(options: Mapping[str, FieldInfo], builders: str) -> Iterator[str]:
    yield "| option | type | limits | default | builders | available | meaning |"
    yield "|---|---|---|---|---|---|---|"
    for key, info in options.items():
        default = "" if is_mandatory(info) else f"`{shown(default_of(info))}`"
        cells = [
            f"`{key}`",
            kind(info),
            limits(info),
            default,
            about(info).builders or builders,
            _available(info),
            info.description or "",
        ]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _available(info: FieldInfo) -> str:
    known = about(info)
    if known.status == "later":
        return "not yet"
    if known.status == "no effect":
        return f"no effect: {known.reason}"
    return f"yes; not yet {', '.join(map(repr, known.later))}" if known.later else "yes"


def _old_names() -> Iterator[str]:
    yield "## Legacy names\n\nNames of 2020 are read as their current equivalents.\n"
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
