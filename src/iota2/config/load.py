"""How a configuration file becomes a checked configuration, with all its problems told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from iota2.config import legacy
from iota2.config.options.fields import (
    FROM_HERE,
    Options,
    Section,
    about,
    default_of,
    expected,
    is_mandatory,
    keys,
    nested,
    shortened,
    shown,
)
from iota2.config.options.schema import ATTRIBUTES, SECTIONS, Config
from iota2.config.options.sensors import OF_SENSORS
from iota2.config.places import KEYS, LETTERS, place_of, section_of, texts_of, unknown_option, unknown_section
from iota2.config.rules import findings
from iota2.config.syntax.cfg import read_cfg
from iota2.config.syntax.document import Document, Node, Places, SectionText, mentioned, read_text
from iota2.config.syntax.yaml_reader import read_yaml, written_in_yaml
from iota2.core.builder import Builder
from iota2.core.files import without_dots
from iota2.core.words import choice_meant, did_you_mean, squeezed
from iota2.errors import ConfigError, UserError

_ADVICE = re.compile(f", but relative paths start at .*: {re.escape(FROM_HERE)}")
KeyPath = Sequence[str | int]
"""Keys, and numbers of list entries, from a section down to a value."""

MOST_HINTS = 50
"""Problems of a file after which unknown keys are named without a look at what may have been meant."""
NONE_MEANS_SOMETHING = frozenset({("arg_train", "features")})
"""Options of which None may be meant as a value, and as another one than their default."""
_NOT_YET: Mapping[str, str] = {
    **{squeezed(name): "sensor" for name in legacy.SENSORS_NOT_YET},
    **{squeezed(name): "ability" for name in legacy.NOT_YET},
}
"""Squeezed names of sections that are not available yet, and what they are about."""
STAND_INS: Mapping[str, Any] = {
    "output_path": "results",
    "list_tile": "T31TCJ",
    "proj": "EPSG:2154",
    "data_field": "code",
}
"""Valid values of options that every configuration needs, where those that are given have a problem; what they stand
for is never looked at."""


@dataclass(frozen=True)
class Reading:
    """What a configuration file says, whether or not it is valid."""

    config: Config | None
    """None when there are problems."""
    source: Path
    problems: tuple[tuple[int, str], ...] = ()
    """Lines, 0 for none, and sentences."""
    usable: Config | None = None
    """With problems, the configuration without the options that have one: each has its default, or any value that is
    valid. None when even that is not valid."""
    broken: frozenset[str] = frozenset()
    """The options that have a problem, such as ``chain.proj``."""

    def error(self, others: Iterable[tuple[int, str]] = ()) -> ConfigError:
        """An error with all problems, and ``others``, sorted by line."""
        problems = sorted([*self.problems, *others], key=lambda problem: problem[0])
        return ConfigError(_advised_once(dict.fromkeys(text for _, text in problems)), source=str(self.source))


def _advised_once(problems: Iterable[str]) -> Iterator[str]:
    """The problems, with the advice on where relative paths start in the first of those that it concerns alike."""
    given = set()
    for text in problems:
        advice = _ADVICE.search(text)
        yield text.replace(advice[0], "; see --paths-from above") if advice and advice[0] in given else text
        given.add(advice[0] if advice else "")


Lookup = Callable[[Sequence[str], Sequence[Path]], tuple[Builder, ...]]
"""Finds builders by their names, and by folders with builders of the user's own; raises UserError."""


def load_config(
    path: Path | str, lookup: Lookup, *, check_paths: bool = True, paths_from: Path | None = None
) -> Config:
    """The configuration in a ``.cfg``, ``.yaml`` or ``.yml`` file, for the builders that ``lookup`` finds.

    Relative paths start at ``paths_from``, or else at the folder of the file. With ``check_paths``, files and folders
    that are inputs must exist. Raises ConfigError with all problems, each with its line; a syntax error comes alone.
    What is accepted but should be known stands in ``warnings``.
    """
    return _whole(read_config(path, lookup, check_paths=check_paths, paths_from=paths_from))


def read_config(
    path: Path | str, lookup: Lookup, *, check_paths: bool = True, paths_from: Path | None = None
) -> Reading:
    """What ``load_config`` reads, with the problems as values; ConfigError for a syntax error only."""
    source = without_dots(Path(path).absolute())
    read = read_yaml if written_in_yaml(source) else read_cfg
    return _reading(read(read_text(source), source), lookup, check_paths=check_paths, paths_from=paths_from)


def config_from(document: Document, lookup: Lookup, *, check_paths: bool = True) -> Config:
    """The configuration that a document describes; see ``load_config``."""
    return _whole(_reading(document, lookup, check_paths=check_paths, paths_from=None))


def _whole(reading: Reading) -> Config:
    if reading.config is None:
        raise reading.error()
    return reading.config


def _reading(document: Document, lookup: Lookup, *, check_paths: bool, paths_from: Path | None) -> Reading:
    home = document.source.parent
    start = without_dots(paths_from.absolute()) if paths_from else None
    draft = _Draft(document.source, _builders(document, lookup, start or home))
    for written in document.sections:
        _place_section(draft, written)
    context = {"folder": start or home, "home": home, "paths_from": start, "check_paths": check_paths}
    sections = {name: found for name in SECTIONS if (found := _validated(draft, name, context))}
    for finding in findings(sections):
        notes = draft.problems if finding.fatal else draft.warnings
        draft.note(notes, finding.section, finding.path, finding.text)
    for name, section in sections.items():
        for loc, text in _without_effect(section):
            draft.note(draft.warnings, name, loc, text)
    if draft.problems:
        usable = _usable(draft, context)
        return Reading(None, document.source, tuple(draft.problems), usable, frozenset(draft.broken))
    return Reading(_assembled(draft, sections), document.source)


def _assembled(draft: _Draft, sections: Mapping[str, Section]) -> Config:
    values: dict[str, Any] = {ATTRIBUTES[name]: section for name, section in sections.items()}
    values["sensors"] = {name: sections[name] for name in OF_SENSORS}
    places = Places(draft.nodes)
    return Config(**values, source=draft.source, warnings=draft.all_warnings(), places=places)


def _usable(draft: _Draft, context: Mapping[str, object]) -> Config | None:
    """The configuration without the options that have a problem; see ``Reading``."""
    sections: dict[str, Section] = {}
    for name, cls in SECTIONS.items():
        values = {
            key: _value(name, key, node)
            for key, node in draft.nodes[name].items()
            if draft.broken.isdisjoint({name, f"{name}.{key}"}) and not _not_given(name, key, node.plain())
        }
        stand_in = {"ground_truth": draft.source, "nomenclature_path": draft.source, "color_table": draft.source}
        if name == "chain":
            values = {**STAND_INS, **stand_in, **values}
        try:
            sections[name] = cls.model_validate(values, context=dict(context))
        except ValidationError:
            return None
    return _assembled(draft, sections)


@dataclass(frozen=True)
class _Asked:
    """The builders that a file asks for."""

    builders: tuple[Builder, ...] = ()
    problem: str = ""
    """Why they are not known."""

    @property
    def letters(self) -> frozenset[str]:
        """The letters of the builders; of all when one of them uses every option, or when they are not known."""
        letters = {builder.letter for builder in self.builders}
        return frozenset(letters) if letters and all(letters) else frozenset(LETTERS)

    def needed(self, section: str) -> list[str]:
        """Options of a section that the builders need; when they are not known, those that any builder needs."""
        options = {option for builder in self.builders for option in builder.options}
        return [
            key
            for key, info in KEYS[section].items()
            if about(info).needed and (not self.builders or f"{section}.{key}" in options)
        ]


def _builders(document: Document, lookup: Lookup, start: Path) -> _Asked:
    """The builders that a file asks for. Folders of builders that are no text or do not exist are reported later."""
    default = default_of(KEYS["builders"]["builders_class_name"])
    names = texts_of(document, "builders", "builders_class_name") or default
    folders = [
        without_dots(start / Path(text).expanduser()) for text in texts_of(document, "builders", "builders_paths")
    ]
    try:
        return _Asked(lookup(names, [folder for folder in folders if folder.is_dir()]))
    except UserError as err:
        return _Asked(problem=str(err))


@dataclass
class _Draft:
    """Keys on their way to the section they belong to, and what was noticed on the way."""

    source: Path
    asked: _Asked
    nodes: dict[str, dict[str, Node]] = field(default_factory=lambda: {name: {} for name in SECTIONS})
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    not_asked_for: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Options, or sections, that have a problem."""

    def put(self, section: str, key: str, node: Node) -> None:
        """Places a key; a second one is a problem that names both lines."""
        first = self.nodes[section].setdefault(key, node)
        if first is not node:
            self.note_at(
                self.problems,
                node.line,
                f"{section}.{key}: given twice, first on line {first.line}; keep one",
            )

    def note(self, notes: list[tuple[int, str]], section: str, path: KeyPath, text: str) -> None:
        """Adds a sentence about an option, with its line where it is written."""
        if notes is self.problems:
            self.broken.add(f"{section}.{path[0]}" if path else section)
        line = self.lines.get(section, 0)
        if path and path[0] in self.nodes[section]:
            line = self.nodes[section][str(path[0])].line_of(path[1:])
        elif not line:
            line = self._line_of_cause(text)
        self.note_at(notes, line, f"{'.'.join(map(str, (section, *path)))}: {text}")

    def _line_of_cause(self, text: str) -> int:
        """Line of the first written option that a sentence names, for one about an absent section; 0 without any."""
        named = (word.partition(".")[::2] for word in mentioned(text))
        return next((self.nodes[home][key].line for home, key in named if key in self.nodes.get(home, {})), 0)

    @staticmethod
    def note_at(notes: list[tuple[int, str]], line: int, text: str) -> None:
        entry = (line, f"line {line}: {text}" if line else text)
        if entry not in notes:
            notes.append(entry)

    def all_warnings(self) -> tuple[str, ...]:
        """The warnings in file order, each with the file; renamed keys in one sentence at the end."""
        texts = [f"{self.source.name}: {text}" for _, text in sorted(self.warnings)]
        if self.not_asked_for:
            text = "options of builders that are not asked for have no effect"
            texts.append(f"{self.source.name}: {text}: {', '.join(self.not_asked_for)}")
        if self.renamed:
            text = "legacy names and spellings were read as the present ones"
            texts.append(f"{self.source.name}: {text}: {', '.join(self.renamed)}")
        return tuple(texts)


def _place_section(draft: _Draft, written: SectionText) -> None:
    """Puts every key of a section where it belongs today."""
    name = section_of(written.name)
    if name is None and squeezed(written.name) in _NOT_YET:
        _place_later(draft, written)
        return
    if name is None:
        text = f"{written.name}: unknown section{unknown_section(written.name)}"
        draft.note_at(draft.problems, written.line, text)
        return
    draft.lines.setdefault(name, written.line)
    if name != written.name:
        draft.renamed.append(f"section {written.name} → {name} (line {written.line})")
    for key, node in written.options.items():
        _place_key(draft, written.name, name, key, node)


def _place_later(draft: _Draft, written: SectionText) -> None:
    """Notes a section that is not available yet: a problem when it asks for something."""
    asked = [key for key, node in written.options.items() if not _is_none(node.plain()) and node.plain() is not False]
    if asked and _NOT_YET[squeezed(written.name)] == "ability":
        text = f"{written.name}: is known but not available yet; remove the section ({', '.join(asked)})"
        draft.note_at(draft.problems, written.line, text)
    else:
        draft.note_at(draft.warnings, written.line, f"{written.name}: has no effect: it is not available yet")


def _place_key(draft: _Draft, written: str, section: str, key: str, node: Node) -> None:
    """Puts one key where it belongs, or notes why it belongs nowhere."""
    place, line = place_of(section, key, draft.asked.letters), node.line
    if place.how == "unknown":
        hint = unknown_option(section, key) if len(draft.problems) < MOST_HINTS else ""
        draft.note_at(draft.problems, line, f"{section}.{key}: unknown option{hint}")
    elif place.how == "without effect":
        draft.note_at(draft.warnings, line, f"{section}.{key}: {place.text}")
    elif place.how == "not asked for":
        if not _is_default(KEYS[place.section].get(place.key), node.plain()):
            draft.not_asked_for.append(f"{place.section}.{place.key} (line {line})")
    else:
        if place.how == "renamed" or (place.how == "moved" and written != section):
            draft.renamed.append(f"{written}.{key} → {place.section}.{place.key} (line {line})")
        elif place.how == "moved":
            text = f"{section}.{key}: read as {place.section}.{place.key}; move it to section {place.section}"
            draft.note_at(draft.warnings, line, text)
        draft.put(place.section, place.key, node)


def _is_default(info: FieldInfo | None, value: object) -> bool:
    """True for a value that says what holds without it; ``info`` is None for an unknown option."""
    if _is_none(value):
        return True
    value = tuple(value) if isinstance(value, list) else value
    return info is not None and not is_mandatory(info) and value == default_of(info)


def _is_none(value: object) -> bool:
    """True for None and for the texts that stood for it in legacy files."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("none", ""))


def _not_given(name: str, key: str, value: object) -> bool:
    """True when None stands for an option that has a default, and so for the default."""
    info = KEYS[name].get(key)
    if info is None or is_mandatory(info) or (name, key) in NONE_MEANS_SOMETHING:
        return False
    return _is_none(value) and default_of(info) is not None


def _value(name: str, key: str, node: Node) -> Any:
    """The value of an option, in its present form; ValueError for one that has none."""
    return legacy.VALUES.get((name, key), lambda value: value)(node.plain())


def _validated(draft: _Draft, name: str, context: Mapping[str, object]) -> Section | None:
    """The section as an object; None, with its problems noted, when it is not valid."""
    before = len(draft.problems)
    values: dict[str, Any] = {}
    for key, node in draft.nodes[name].items():
        if _not_given(name, key, node.plain()):
            if default := default_of(KEYS[name][key]):
                draft.note(draft.warnings, name, (key,), f"None is read as the default, {shown(default)}")
            continue
        try:
            values[key] = _value(name, key, node)
        except ValueError as err:
            draft.note(draft.problems, name, (key,), str(err))
    for key in draft.asked.needed(name):
        if key not in values:
            draft.note(draft.problems, name, (key,), _missing(KEYS[name][key]))
    if name == "builders":
        _name_builders(draft, values)
    try:
        section = SECTIONS[name].model_validate(values, context=dict(context))
    except ValidationError as err:
        for loc, text in _problems(SECTIONS[name], err):
            draft.note(draft.problems, name, loc, text)
        return None
    return section if len(draft.problems) == before else None


def _missing(info: FieldInfo) -> str:
    return f"is missing; give {expected(info)}: {info.description}"


def _name_builders(draft: _Draft, values: dict[str, Any]) -> None:
    """Put the present names of the builders in place of those that were written, or note why there are none."""
    if draft.asked.problem:
        option = "builders_class_name" if "builders_class_name" in values else "builders_paths"
        draft.note(draft.problems, "builders", (option,), draft.asked.problem)
    elif values.get("builders_class_name"):
        values["builders_class_name"] = [builder.name for builder in draft.asked.builders]


def _problems(options: type[Options], err: ValidationError) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Problems found by the schema as (path of keys, sentence)."""
    errors = err.errors(include_url=False)
    entries = {error["loc"][:-1] for error in errors}
    for error in errors:
        if error["type"] == "too_short" and error["loc"] in entries:
            continue  # entries that are wrong themselves were not counted
        path, holder, info = _walk(options, error["loc"])
        if error["type"] == "value_error":
            yield path, str(error["ctx"]["error"])
        elif error["type"] == "missing" and info:
            yield path, _missing(info)
        elif error["type"] == "extra_forbidden":
            hint = did_you_mean(str(path[-1]), keys(holder)) or f"; expected one of {', '.join(keys(holder))}"
            yield path, f"unknown option{hint}"
        elif info:
            choices = [choice for choice in _choices(error) if choice not in about(info).later]
            hint = choice_meant(error["input"], choices) if isinstance(error["input"], str) else ""
            yield path, f"expected {expected(info)}, got {shortened(shown(error['input']), 200)}{hint}"


def _choices(error: Any) -> list[str]:
    """The words among which a value had to be."""
    text = error.get("ctx", {}).get("expected", "") if error["type"] == "literal_error" else ""
    return text.split("'")[1::2]


def _walk(options: type[Options], loc: KeyPath) -> tuple[tuple[str | int, ...], type[Options], FieldInfo | None]:
    """The part of ``loc`` that stands in the file, the dictionary it leads to and the option there."""
    holder: type[Options] = options
    info: FieldInfo | None = None
    path: list[str | int] = []
    for step in loc:
        known = keys(holder)
        if isinstance(step, str) and step in known:
            path, info = [*path, step], known[step]
            holder = nested(info) or holder
        elif info is None or nested(info):
            path = [*path, step]
    return tuple(path), holder, info


def _without_effect(options: Options, path: tuple[str | int, ...] = ()) -> Iterator[tuple[KeyPath, str]]:
    """Given options that change nothing, as (path of keys, sentence)."""
    for name in sorted(options.model_fields_set):
        info, value = type(options).model_fields[name], getattr(options, name)
        here = (*path, info.alias or name)
        if about(info).status == "no effect" and value != default_of(info):
            yield here, f"has no effect: {about(info).reason}"
        for deeper, inner in _inner(value):
            yield from _without_effect(inner, (*here, *deeper))


def _inner(value: Any) -> Iterator[tuple[tuple[str | int, ...], Options]]:
    """Dictionaries of options inside a value, with the way to them."""
    if isinstance(value, Options):
        yield (), value
    elif isinstance(value, tuple):
        yield from (((i,), item) for i, item in enumerate(value) if isinstance(item, Options))
    elif isinstance(value, dict):
        yield from (((key,), item) for key, item in value.items() if isinstance(item, Options))
