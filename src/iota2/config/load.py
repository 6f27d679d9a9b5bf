"""Loading of configuration files: parsing, checks, and a report of all problems at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from iota2.config import legacy
from iota2.config.options.fields import FROM_HERE, Section
from iota2.config.options.schema import ATTRIBUTES, SECTIONS, Config
from iota2.config.options.sensors import OF_SENSORS
from iota2.config.places import (
    KEYS,
    LETTERS,
    place_of,
    section_of,
    similar_option,
    texts_of,
    unknown_option,
    unknown_section,
)
from iota2.config.rules import findings
from iota2.config.syntax.cfg import read_cfg
from iota2.config.syntax.document import Document, Node, Places, SectionText, mentioned, read_text
from iota2.config.syntax.yaml_reader import read_yaml, written_in_yaml
from iota2.core.builder import Builder
from iota2.core.files import without_dots
from iota2.core.words import squeezed
from iota2.errors import ConfigError, UserError, option_name
from iota2.options import (
    KeyPath,
    Options,
    about,
    default_of,
    is_mandatory,
    missing_text,
    schema_problems,
    shown,
)

_ADVICE = re.compile(f", but relative paths start at .*: {re.escape(FROM_HERE)}")

MAX_HINTS = 50
"""Maximum number of problems of a file up to which unknown keys get suggestions."""
NONE_MEANS_SOMETHING = frozenset({("arg_train", "features")})
"""Options for which None is a value of its own, different from the default."""
_NOT_YET: Mapping[str, str] = {
    **{squeezed(name): "sensor" for name in legacy.SENSORS_NOT_YET},
    **{squeezed(name): "ability" for name in legacy.NOT_YET},
}
"""Normalised names of sections that are not available yet, and their purpose."""
STAND_INS: Mapping[str, Any] = {
    "output_path": "results",
    "list_tile": "T31TCJ",
    "proj": "EPSG:2154",
    "data_field": "code",
}
"""Valid placeholder values for mandatory options with a problem; never used for their purpose."""


@dataclass(frozen=True)
class Reading:
    """Content of a configuration file, valid or not."""

    config: Config | None
    """None when there are problems."""
    source: Path
    problems: tuple[tuple[int, str], ...] = ()
    """Line numbers (0 for none) and messages."""
    usable: Config | None = None
    """With problems, the configuration without the invalid options: each has its default, or any valid value. None when
    even that is invalid."""
    broken: frozenset[str] = frozenset()
    """Invalid options, such as ``chain.proj``."""

    def error(self, others: Iterable[tuple[int, str]] = ()) -> ConfigError:
        """An error with all problems, and ``others``, sorted by line."""
        problems = sorted([*self.problems, *others], key=lambda problem: problem[0])
        return ConfigError(_advised_once(dict.fromkeys(text for _, text in problems)), source=str(self.source))


def _advised_once(problems: Iterable[str]) -> Iterator[str]:
    """The problems, with the advice on the start of relative paths only in the first message that needs it."""
    given = set()
    for text in problems:
        advice = _ADVICE.search(text)
        yield text.replace(advice[0], "; see --paths-from above") if advice and advice[0] in given else text
        given.add(advice[0] if advice else "")


Lookup = Callable[[Sequence[str], Sequence[Path]], tuple[Builder, ...]]
"""Finds builders by their names, and by folders with user-defined builders; raises UserError."""


def load_config(
    path: Path | str, lookup: Lookup, *, check_paths: bool = True, paths_from: Path | None = None
) -> Config:
    """The configuration in a ``.cfg``, ``.yaml`` or ``.yml`` file, for the builders that ``lookup`` finds.

    Relative paths start at ``paths_from``, or else at the folder of the file. With ``check_paths``, input files and
    folders must exist. Raises ConfigError with all problems, each with its line; a syntax error is reported alone.
    ``warnings`` of the result contains accepted but noteworthy settings.
    """
    return _whole(read_config(path, lookup, check_paths=check_paths, paths_from=paths_from))


def read_config(
    path: Path | str, lookup: Lookup, *, check_paths: bool = True, paths_from: Path | None = None
) -> Reading:
    """Result of ``load_config`` with the problems as values; ConfigError for a syntax error only."""
    source = without_dots(Path(path).absolute())
    read = read_yaml if written_in_yaml(source) else read_cfg
    return _reading(read(read_text(source), source), lookup, check_paths=check_paths, paths_from=paths_from)


def config_from(document: Document, lookup: Lookup, *, check_paths: bool = True) -> Config:
    """The configuration of a document; see ``load_config``."""
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
    """The configuration without the invalid options; see ``Reading``."""
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
    """The builders requested by a file."""

    builders: tuple[Builder, ...] = ()
    problem: UserError | None = None
    """Reason why the builders are unknown."""

    @property
    def letters(self) -> frozenset[str]:
        """Letters of the builders; of all builders when one of them uses every option, or when they are unknown."""
        letters = {builder.letter for builder in self.builders}
        return frozenset(letters) if letters and all(letters) else frozenset(LETTERS)

    def needed(self, section: str) -> list[str]:
        """Options of a section that the builders need; none when the builders are unknown."""
        options = {option for builder in self.builders for option in builder.mandatory}
        return [key for key in KEYS[section] if f"{section}.{key}" in options]


def _builders(document: Document, lookup: Lookup, start: Path) -> _Asked:
    """The builders requested by a file. Invalid or missing folders of builders are reported later."""
    default = default_of(KEYS["builders"]["builders_class_name"])
    names = texts_of(document, "builders", "builders_class_name") or default
    folders = [
        without_dots(start / Path(text).expanduser()) for text in texts_of(document, "builders", "builders_paths")
    ]
    try:
        return _Asked(lookup(names, [folder for folder in folders if folder.is_dir()]))
    except UserError as err:
        return _Asked(problem=err)


@dataclass
class _Draft:
    """Keys on their way to their present section, with the remarks made on the way."""

    source: Path
    asked: _Asked
    nodes: dict[str, dict[str, Node]] = field(default_factory=lambda: {name: {} for name in SECTIONS})
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    not_asked_for: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Options, or sections, with a problem."""
    misspelt: set[tuple[str, str | None]] = field(default_factory=set)
    """Sections and options that unknown keys resemble: such an option is not reported as missing too."""

    def put(self, section: str, key: str, node: Node) -> None:
        """Assign a key to its place; a repeated key is a problem with the lines of both."""
        first = self.nodes[section].setdefault(key, node)
        if first is not node:
            self.note_at(
                self.problems,
                node.line,
                f"{section}.{key}: given twice, first on line {first.line}; keep one",
            )

    def note(self, notes: list[tuple[int, str]], section: str, path: KeyPath, text: str) -> None:
        """Add a message about an option, with its line in the file."""
        if notes is self.problems:
            self.broken.add(f"{section}.{path[0]}" if path else section)
            if path and path[0] not in self.nodes[section] and (section, path[0]) in self.misspelt:
                return
        line = self.lines.get(section, 0)
        if path and path[0] in self.nodes[section]:
            line = self.nodes[section][str(path[0])].line_of(path[1:])
        elif not line:
            line = self._line_of_cause(text)
        self.note_at(notes, line, f"{option_name((section, *path))}: {text}")

    def _line_of_cause(self, text: str) -> int:
        """Line of the first option named in a message about an absent section; 0 without any."""
        named = (word.partition(".")[::2] for word in mentioned(text))
        return next((self.nodes[home][key].line for home, key in named if key in self.nodes.get(home, {})), 0)

    @staticmethod
    def note_at(notes: list[tuple[int, str]], line: int, text: str) -> None:
        entry = (line, f"line {line}: {text}" if line else text)
        if entry not in notes:
            notes.append(entry)

    def all_warnings(self) -> tuple[str, ...]:
        """The warnings in file order, each with the file name; renamed keys in one message at the end."""
        texts = [f"{self.source.name}: {text}" for _, text in sorted(self.warnings)]
        if self.not_asked_for:
            text = "options of builders that are not asked for have no effect"
            texts.append(f"{self.source.name}: {text}: {', '.join(self.not_asked_for)}")
        if self.renamed:
            text = "legacy names and spellings were read as the present ones"
            texts.append(f"{self.source.name}: {text}: {', '.join(self.renamed)}")
        return tuple(texts)


def _place_section(draft: _Draft, written: SectionText) -> None:
    """Assign each key of a section to its present section."""
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
    """Note a section that is not available yet: a problem when it enables something."""
    asked = [key for key, node in written.options.items() if not _is_none(node.plain()) and node.plain() is not False]
    if asked and _NOT_YET[squeezed(written.name)] == "ability":
        text = f"{written.name}: is known but not available yet; remove the section ({', '.join(asked)})"
        draft.note_at(draft.problems, written.line, text)
    else:
        draft.note_at(draft.warnings, written.line, f"{written.name}: has no effect: it is not available yet")


def _place_key(draft: _Draft, written: str, section: str, key: str, node: Node) -> None:
    """Assign one key to its present place, or note why it has none."""
    place, line = place_of(section, key, draft.asked.letters), node.line
    if place.how == "unknown":
        hint = ""
        if len(draft.problems) < MAX_HINTS:
            hint = unknown_option(section, key)
            draft.misspelt.add((section, similar_option(section, key)))
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
    """True for a value equal to the default or without effect; ``info`` is None for an unknown option."""
    if _is_none(value):
        return True
    value = tuple(value) if isinstance(value, list) else value
    return info is not None and not is_mandatory(info) and value == default_of(info)


def _is_none(value: object) -> bool:
    """True for None and its legacy spellings."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("none", ""))


def _not_given(name: str, key: str, value: object) -> bool:
    """True when None stands for the default of an option."""
    info = KEYS[name].get(key)
    if info is None or is_mandatory(info) or (name, key) in NONE_MEANS_SOMETHING:
        return False
    return _is_none(value) and default_of(info) is not None


def _value(name: str, key: str, node: Node) -> Any:
    """The value of an option, in its present form; ValueError when it cannot be converted."""
    return legacy.VALUES.get((name, key), lambda value: value)(node.plain())


def _validated(draft: _Draft, name: str, context: Mapping[str, object]) -> Section | None:
    """The section as an object; None, with its problems noted, when it is invalid."""
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
            draft.note(draft.problems, name, (key,), missing_text(KEYS[name][key]))
    if name == "builders":
        _name_builders(draft, values)
    try:
        section = SECTIONS[name].model_validate(values, context=dict(context))
    except ValidationError as err:
        for loc, text in schema_problems(SECTIONS[name], err):
            draft.note(draft.problems, name, loc, text)
        return None
    return section if len(draft.problems) == before else None


def _all_texts(value: object) -> bool:
    """Whether a value is a text or a list of texts; the schema reports other values."""
    listed = value if isinstance(value, list) else [value]
    return bool(listed) and all(isinstance(one, str) and one.strip() for one in listed)


def _name_builders(draft: _Draft, values: dict[str, Any]) -> None:
    """Replace the names of builders by their present ones, or note why they are unknown."""
    if draft.asked.problem:
        option = str(draft.asked.problem.option[-1]) if draft.asked.problem.option else "builders_class_name"
        draft.note(draft.problems, "builders", (option,), draft.asked.problem.text)
    elif _all_texts(values.get("builders_class_name")):
        values["builders_class_name"] = [builder.name for builder in draft.asked.builders]


def _without_effect(options: Options, path: tuple[str | int, ...] = ()) -> Iterator[tuple[KeyPath, str]]:
    """Options without effect, as (path of keys, message)."""
    for name in sorted(options.model_fields_set):
        info, value = type(options).model_fields[name], getattr(options, name)
        here = (*path, info.alias or name)
        if about(info).status == "no effect" and value != default_of(info):
            yield here, f"has no effect: {about(info).reason}"
        for deeper, inner in _inner(value):
            yield from _without_effect(inner, (*here, *deeper))


def _inner(value: Any) -> Iterator[tuple[tuple[str | int, ...], Options]]:
    """Dictionaries of options inside a value, with their paths."""
    if isinstance(value, Options):
        yield (), value
    elif isinstance(value, tuple):
        yield from (((i,), item) for i, item in enumerate(value) if isinstance(item, Options))
    elif isinstance(value, dict):
        yield from (((key,), item) for key, item in value.items() if isinstance(item, Options))
