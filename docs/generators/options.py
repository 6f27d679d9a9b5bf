"""The page about the options of the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic.fields import FieldInfo

from generators.markdown import MADE
from iota2.chains import BUILDERS
from iota2.chains.lookup import LATER
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
    """Every option of the configuration, section by section, and the names of 2020."""
    parts = [
        f"""{MADE}

# Options

A configuration has sections of `key : value` entries, in a `.cfg` file (in braces, or indented below the name of
the section) or in YAML. Relative paths start at the folder of the configuration file. An option without default is
mandatory. An option that is not available yet is accepted with its default only. Options of builders that are
not asked for are accepted with any value and have no effect. None stands for the default.

Builders: {_letters()}. Builders of your own: [how to add one](../howto/add-a-builder.md).
"""
    ]
    parts.extend("\n".join(_section(name, cls)) for name, cls in SECTIONS.items())
    parts.append("\n".join(_old_names()))
    return "\n".join(parts)


def _letters() -> str:
    """The builders with the letters that stand for them."""
    now = ", ".join(f"{builder.letter} `{builder.name}`" for builder in BUILDERS)
    return f"{now}; not yet {', '.join(f'{letter} `{name}`' for name, letter in LATER.items())}"


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
    yield "## Names of 2020\n\nThey are read as those of today.\n"
    yield "| 2020 | today |"
    yield "|---|---|"
    for old, new in legacy.SECTIONS.items():
        yield f"| section `{old}` | section `{new}` |"
    for old, (section, key) in legacy.OPTIONS.items():
        yield f"| `{old}` | `{section or '(any sensor)'}.{key}` |"
    for builder in BUILDERS:
        for alias in builder.aliases:
            yield f"| builder `{alias}` | builder `{builder.name}` |"
    yield "\nNames that differ only in case and underscores are read too.\n"
    for section, names in legacy.WITHOUT_EFFECT.items():
        yield f"These options of section `{section}` have no effect any more: {_listed(names)}.\n"
    yield f"Nor have these in the section of a sensor: {_listed(legacy.SENSORS_WITHOUT_EFFECT)}.\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
