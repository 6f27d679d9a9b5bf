"""Present section and name of a key, from any spelling and legacy version."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic.fields import FieldInfo

from iota2.config import legacy
from iota2.config.options.schema import SECTIONS
from iota2.config.options.sensors import FOLDER_KEYS, LAYERS, RADAR
from iota2.config.s1_ini import INI_KEY_OF_OPTION
from iota2.config.syntax.document import Document
from iota2.core.words import did_you_mean, nearest, normalised_name
from iota2.options import about, keys

KEYS: Mapping[str, Mapping[str, FieldInfo]] = {name: keys(cls) for name, cls in SECTIONS.items()}
"""The options of each section, by name in configuration files."""

BUILDER_LETTERS = "CFOVRT"
"""Letters of all builders in the lists of options by builder."""
_OPEN_SECTION = "scikit_models_parameters"
"""The section whose unknown keys are arguments of the classifier."""
_STRAY_SECTION = "task_retry_limits"
"""The section whose header is missing in the configuration of the iota2 tutorial: its keys may follow any section."""
_SECTIONS_OF_OTHER_BUILDERS = frozenset(name for name, cls in SECTIONS.items() if "C" not in cls.builders.split())
_SENSOR_SECTIONS = frozenset({*FOLDER_KEYS, RADAR, LAYERS})
_CLOSED = frozenset({*_SENSOR_SECTIONS, *_SECTIONS_OF_OTHER_BUILDERS, "external_features", _OPEN_SECTION})
"""Sections with keys of a special meaning: keys are never moved from or to these sections."""

_MIN_LIKENESS = 0.85
"""Minimum similarity of a suggested option. Only the last attempt, in the same section, has a lower minimum."""

_MAX_SHORT_WORD = 3
"""Maximum length of words that are too short to identify an option by a part of its name."""

_SECTIONS = {normalised_name(name): name for name in SECTIONS} | {
    normalised_name(old): new for old, new in legacy.SECTIONS.items()
}
_LEGACY = {normalised_name(old): place for old, place in legacy.OPTIONS.items()}
_PRESENT = {normalised_name(name): name for known in KEYS.values() for name in known}


@dataclass(frozen=True)
class Place:
    """Present section and name of a key, or the reason why it has none."""

    section: str
    key: str
    how: Literal["as written", "renamed", "moved", "without effect", "unused", "unknown"] = "as written"
    text: str = ""
    """Reason why the key has no effect."""


def section_of(written: str) -> str | None:
    """The section with this name, ignoring case, in present or legacy spelling; None for an unknown name."""
    return written if written in SECTIONS else _SECTIONS.get(normalised_name(written))


def similar_section(written: str) -> str | None:
    """The present section whose name is similar to an unknown one; None if there is none."""
    near = nearest(written, [*SECTIONS, *legacy.SECTIONS], _MIN_LIKENESS)
    return section_of(near) if near else None


def unknown_section(written: str) -> str:
    """A suggestion for an unknown section."""
    return did_you_mean(written, [*SECTIONS, *legacy.SECTIONS]) or f"; expected one of {', '.join(SECTIONS)}"


def texts_of(document: Document, section: str, name: str) -> list[str]:
    """The texts in an option, a text or a list, for any spelling of its name. Other values are ignored."""
    found: Any = None
    for written in document.sections:
        for key, node in written.options.items() if section_of(written.name) == section else ():
            if normalised_name(key) == normalised_name(name):
                found = node.plain()
    listed = found if isinstance(found, list) else [found]
    return [one for one in listed if isinstance(one, str) and one.strip().lower() not in ("", "none")]


def place_of(section: str, key: str, selected: Collection[str]) -> Place:
    """Place of a key in ``section``, for builders with the letters ``selected``."""
    here = _present(section, key)
    if here is not None:
        return _unless_unused(Place(section, here, "as written" if here == key else "renamed"), selected)
    if why := legacy.without_effect(section, key, sensor=section in FOLDER_KEYS):
        return Place(section, key, "without effect", why)
    present = _present_name(key)
    home = _other_section(section, key, present)
    if home is not None:
        return _unless_unused(Place(home, present, "moved"), selected)
    free = section == _OPEN_SECTION and nearest(key, KEYS[_OPEN_SECTION]) is None
    return _unless_unused(Place(section, key, "as written" if free else "unknown"), selected)


def _present(section: str, key: str) -> str | None:
    """The present name of an option of ``section``; None if the section has no such option."""
    known = KEYS[section]
    if key in known:
        return key
    names = {normalised_name(name): name for name in known}
    home, present = _LEGACY.get(normalised_name(key), (section, ""))
    if home in (None, section) and present in known:
        return present
    return names.get(normalised_name(key))


def _present_name(key: str) -> str:
    """The present name of an option of any section; ``key`` for an unknown option."""
    return (
        _LEGACY[normalised_name(key)][1] if normalised_name(key) in _LEGACY else _PRESENT.get(normalised_name(key), key)
    )


def _sections_with(present: str) -> list[str]:
    return [name for name, known in KEYS.items() if present in known]


def _other_section(section: str, key: str, present: str) -> str | None:
    """The only other section to which an option in ``section`` can belong; None if it is ambiguous.

    A name of one word is too general to be moved, unless a legacy version had it in ``section``.
    """
    if (section, present) in legacy.MOVED:
        return legacy.MOVED[section, present]
    homes = _sections_with(present)
    one_word = "_" not in key and key == key.lower()
    if len(homes) != 1 or one_word or homes[0] in _CLOSED:
        return None
    return homes[0] if section not in _CLOSED or homes[0] == _STRAY_SECTION else None


def _unless_unused(place: Place, selected: Collection[str]) -> Place:
    """The place, marked as unused if no builder in ``selected`` uses the option."""
    info = KEYS[place.section].get(place.key)
    letters = (about(info).builders if info else "") or SECTIONS[place.section].builders
    return place if set(letters.split()) & set(selected) else replace(place, how="unused")


def similar_option(section: str, key: str) -> str | None:
    """The option of a section whose name is similar to an unknown key; None if there is none."""
    near = nearest(key, _spellings([section]), _MIN_LIKENESS)
    return _present_spelling(near) if near else None


def unknown_option(section: str, key: str) -> str:
    """Suggestion for an unknown key: a similar key of this section, else the same key elsewhere, or a very similar
    one."""
    if near := similar_option(section, key):
        return f"; did you mean '{near}'?"
    present = _present_name(key)
    if section == RADAR and (instead := INI_KEY_OF_OPTION.get(present)):
        return f"; give {instead} in the INI file that chain.s1_path names"
    if part := _containing(key, [section]):
        return f"; did you mean '{part}'?"
    if homes := _sections_with(present):
        return _other_section_advice(key, present, homes)
    if other := nearest(
        key, _spellings([name for name in SECTIONS if name not in _SECTIONS_OF_OTHER_BUILDERS]), _MIN_LIKENESS
    ):
        return f"; '{_present_spelling(other)}' belongs to {', '.join(_sections_with(_present_spelling(other)))}"
    return did_you_mean(key, KEYS[section]) or "; remove it or see the list of options"


def _other_section_advice(key: str, present: str, homes: Sequence[str]) -> str:
    """Advice on an option of other sections: move it if it is available, or else remove it."""
    if available := [home for home in homes if _available(home, present)]:
        return f"; it exists in {', '.join(available)}: move it to the right section"
    if part := _containing(key, [name for name in SECTIONS if name not in _CLOSED]):
        return f"; did you mean '{part}' of {', '.join(_sections_with(part))}?"
    return f"; it belongs to {', '.join(homes)} and is not available yet: remove it"


def _available(section: str, name: str) -> bool:
    """Whether the present version has the option, for any builder."""
    return about(KEYS[section][name]).status != "later"


def _containing(key: str, sections: Sequence[str]) -> str | None:
    """The available option of these sections whose name contains ``key`` as a word; None without or with several."""
    word = key.lower()
    named = {
        name
        for section in sections
        for name in KEYS[section]
        if word != name and word in name.split("_") and len(word) > _MAX_SHORT_WORD and _available(section, name)
    }
    return named.pop() if len(named) == 1 else None


def _present_spelling(name: str) -> str:
    """The present name of an option."""
    return legacy.OPTIONS[name][1] if name in legacy.OPTIONS else name


def _spellings(sections: Sequence[str]) -> list[str]:
    """Option names of some sections, including legacy ones."""
    present = list(dict.fromkeys(name for section in sections for name in KEYS[section]))
    old = [name for name, (home, new) in legacy.OPTIONS.items() if new in present and home in (None, *sections)]
    return [*present, *old]
