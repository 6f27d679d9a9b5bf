"""Loading of configuration files: parsing, checks, and a report of all problems."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from iota2.config import legacy
from iota2.config.options.fields import PATHS_FROM_ADVICE, Section
from iota2.config.options.schema import ATTRIBUTES, SECTIONS, Config
from iota2.config.options.sensors import SENSOR_SECTIONS
from iota2.config.places import (
    BUILDER_LETTERS,
    KEYS,
    place_of,
    section_of,
    similar_option,
    similar_section,
    texts_of,
    unknown_option,
    unknown_section,
)
from iota2.config.rules import findings, findings_beside_problems
from iota2.config.syntax.cfg import read_cfg
from iota2.config.syntax.document import Document, Node, Places, SectionText, mentioned, read_text
from iota2.config.syntax.yaml_reader import read_yaml, written_in_yaml
from iota2.core.builder import Ask, Builder
from iota2.core.files import without_dots
from iota2.core.words import normalised_name
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

_ADVICE = re.compile(f", but relative paths start at .*: {re.escape(PATHS_FROM_ADVICE)}")

MAX_PROBLEMS_WITH_HINTS = 50
"""Number of problems after which unknown keys get no suggestions."""
NONE_IS_A_VALUE = frozenset(
    {
        ("arg_train", "features"),
        ("arg_train", "context"),
        ("arg_classification", "calibration"),
        ("arg_classification", "smoothing"),
    }
)
"""Options with a default for which None is not read as the default."""
_NOT_YET: Mapping[str, str] = {
    **{normalised_name(name): "sensor" for name in legacy.SENSORS_NOT_YET},
    **{normalised_name(name): "ability" for name in legacy.NOT_YET},
}
"""Kind (sensor or ability) of sections that are not available yet, by normalised name."""
PLACEHOLDERS: Mapping[str, Any] = {
    "output_path": "results",
    "list_tile": "T31TCJ",
    "proj": "EPSG:2154",
    "data_field": "code",
}
"""Valid placeholders for mandatory options with a problem, for ``Reading.usable``; no check uses them."""


@dataclass(frozen=True)
class Reading:
    """Content of a configuration file, valid or not."""

    config: Config | None
    """The configuration; None if there are problems."""
    source: Path
    problems: tuple[tuple[int, str], ...] = ()
    """Line numbers (0 for none) and messages."""
    usable: Config | None = None
    """The configuration with defaults or placeholders for invalid options, for further checks; None without problems,
    or if it is invalid too."""
    broken: frozenset[str] = frozenset()
    """Invalid options, such as ``chain.proj``."""

    def error(self, others: Iterable[tuple[int, str]] = ()) -> ConfigError:
        """An error with all problems and ``others``, sorted by line."""
        problems = sorted([*self.problems, *others], key=lambda problem: problem[0])
        return ConfigError(_advised_once(dict.fromkeys(text for _, text in problems)), source=str(self.source))


def _advised_once(problems: Iterable[str]) -> Iterator[str]:
    """The problems, with the advice on ``--paths-from`` only in the first message that contains it."""
    given = set()
    for text in problems:
        advice = _ADVICE.search(text)
        yield text.replace(advice[0], "; see --paths-from above") if advice and advice[0] in given else text
        given.add(advice[0] if advice else "")


Lookup = Callable[[Sequence[str], Sequence[Path]], tuple[Builder, ...]]
"""Function that finds builders by name, also in folders of user-defined builders; raises UserError."""


def load_config(
    path: Path | str, lookup: Lookup, *, check_paths: bool = True, paths_from: Path | None = None
) -> Config:
    """The configuration in a ``.cfg``, ``.yaml`` or ``.yml`` file, for the builders that ``lookup`` finds.

    Relative paths are resolved from ``paths_from``, or else from the folder of the file. With ``check_paths``, input
    files and folders must exist. Raises ConfigError with all problems and their lines; a syntax error is reported
    alone.
    """
    return _config_of(read_config(path, lookup, check_paths=check_paths, paths_from=paths_from))


def read_config(
    path: Path | str, lookup: Lookup, *, check_paths: bool = True, paths_from: Path | None = None
) -> Reading:
    """The content of a configuration file, valid or not. Raises ConfigError only for a syntax error."""
    source = without_dots(Path(path).absolute())
    read = read_yaml if written_in_yaml(source) else read_cfg
    return _reading(read(read_text(source), source), lookup, check_paths=check_paths, paths_from=paths_from)


def config_from(document: Document, lookup: Lookup, *, check_paths: bool = True) -> Config:
    """The configuration of a document; see ``load_config``."""
    return _config_of(_reading(document, lookup, check_paths=check_paths, paths_from=None))


def _config_of(reading: Reading) -> Config:
    if reading.config is None:
        raise reading.error()
    return reading.config


def _reading(document: Document, lookup: Lookup, *, check_paths: bool, paths_from: Path | None) -> Reading:
    home = document.source.parent
    start = without_dots(paths_from.absolute()) if paths_from else None
    present = frozenset(section_of(written.name) for written in document.sections)
    draft = _Draft(document.source, _builders(document, lookup, start or home), present=present)
    for written in document.sections:
        _assign_section(draft, written)
    context = {"folder": start or home, "home": home, "paths_from": start, "check_paths": check_paths}
    sections = {name: found for name in SECTIONS if (found := _validated(draft, name, context))}
    for finding in findings(sections, draft.selected.asks):
        notes = draft.problems if finding.fatal else draft.warnings
        draft.note(notes, finding.section, finding.path, finding.text)
    for name, section in sections.items():
        for loc, text in _without_effect(section):
            draft.note(draft.warnings, name, loc, text)
    if draft.problems:
        if (repaired := _repaired(draft, context)) is not None:
            for finding in [*findings_beside_problems(sections.keys(), repaired, draft.broken, draft.selected.asks)]:
                draft.note(draft.problems, finding.section, finding.path, finding.text)
        repaired = _repaired(draft, context)  # without the options that were valid by themselves
        usable = _assembled(draft, repaired) if repaired else None
        return Reading(None, document.source, tuple(draft.problems), usable, frozenset(draft.broken))
    return Reading(_assembled(draft, sections), document.source)


def _assembled(draft: _Draft, sections: Mapping[str, Section]) -> Config:
    values: dict[str, Any] = {ATTRIBUTES[name]: section for name, section in sections.items()}
    values["sensors"] = {name: sections[name] for name in SENSOR_SECTIONS}
    places = Places(draft.nodes)
    asks = draft.selected.asks
    return Config(
        **values,
        quantity="quantity" in asks,
        vectorised="map" in asks,
        source=draft.source,
        warnings=draft.all_warnings(),
        places=places,
    )


def _repaired(draft: _Draft, context: Mapping[str, object]) -> dict[str, Section] | None:
    """All sections, with defaults or placeholders for invalid options; None if one is invalid even so."""
    sections: dict[str, Section] = {}
    for name, cls in SECTIONS.items():
        values = {
            key: _value(name, key, node)
            for key, node in draft.nodes[name].items()
            if draft.broken.isdisjoint({name, f"{name}.{key}"}) and not _not_given(name, key, node.plain())
        }
        if name == "chain":
            files = dict.fromkeys(("ground_truth", "nomenclature_path", "color_table"), draft.source)
            stand_ins = {**PLACEHOLDERS, **files}
            values = {
                key: value for key, value in stand_ins.items() if not draft.broken.isdisjoint({name, f"{name}.{key}"})
            } | values
        try:
            sections[name] = cls.model_validate(values, context=dict(context))
        except ValidationError:
            return None
    return sections


@dataclass(frozen=True)
class _SelectedBuilders:
    """The builders that a file selects."""

    builders: tuple[Builder, ...] = ()
    problem: UserError | None = None
    """The reason if the builders are unknown."""

    @property
    def letters(self) -> frozenset[str]:
        """Letters of the builders; all letters if a builder may use every option, or if the builders are unknown."""
        letters = {builder.letter for builder in self.builders}
        return frozenset(letters) if letters and all(letters) else frozenset(BUILDER_LETTERS)

    @property
    def asks(self) -> frozenset[Ask]:
        """Input data of the builders; none if the builders are unknown."""
        return frozenset(ask for builder in self.builders for ask in builder.asks)

    def needed(self, section: str) -> list[str]:
        """Options of a section that the builders need; none if the builders are unknown."""
        options = {option for builder in self.builders for option in builder.mandatory}
        return [key for key in KEYS[section] if f"{section}.{key}" in options]


def _builders(document: Document, lookup: Lookup, start: Path) -> _SelectedBuilders:
    """The builders that a file selects. Invalid and missing folders are reported by the schema."""
    names = texts_of(document, "builders", "builders_class_name")
    folders = [
        without_dots(start / Path(text).expanduser()) for text in texts_of(document, "builders", "builders_paths")
    ]
    try:
        return _SelectedBuilders(lookup(names, [folder for folder in folders if folder.is_dir()]))
    except UserError as err:
        return _SelectedBuilders(problem=err)


@dataclass
class _Draft:
    """Keys by present section, with the problems and warnings found so far."""

    source: Path
    selected: _SelectedBuilders
    nodes: dict[str, dict[str, Node]] = field(default_factory=lambda: {name: {} for name in SECTIONS})
    lines: dict[str, int] = field(default_factory=dict)
    present: frozenset[str | None] = frozenset()
    """Sections that the file contains."""
    problems: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Options and sections with a problem."""
    misspelt: set[tuple[str, str | None]] = field(default_factory=set)
    """Sections and options that unknown keys resemble: such an option is not reported as missing too."""

    def put(self, section: str, key: str, node: Node) -> None:
        """Add a key to its present section. For a repeated key, a problem with both lines is added."""
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
        """Line of the first option in a message about an absent section; 0 without one."""
        named = (word.partition(".")[::2] for word in mentioned(text))
        return next((self.nodes[home][key].line for home, key in named if key in self.nodes.get(home, {})), 0)

    @staticmethod
    def note_at(notes: list[tuple[int, str]], line: int, text: str) -> None:
        entry = (line, f"line {line}: {text}" if line else text)
        if entry not in notes:
            notes.append(entry)

    def all_warnings(self) -> tuple[str, ...]:
        """The warnings in file order with the file name, then one warning each on unused and renamed keys."""
        texts = [f"{self.source.name}: {text}" for _, text in sorted(self.warnings)]
        if self.unused:
            text = "options of builders that are not selected have no effect"
            texts.append(f"{self.source.name}: {text}: {', '.join(self.unused)}")
        if self.renamed:
            text = "legacy names and spellings were read as the present ones"
            texts.append(f"{self.source.name}: {text}: {', '.join(self.renamed)}")
        return tuple(texts)


def _assign_section(draft: _Draft, written: SectionText) -> None:
    """Assign each key of a section to its present section.

    An unknown section is a problem; its keys are assigned to the similar section, if the file has no such section, so
    that they are not reported as missing too.
    """
    name = section_of(written.name)
    if name is None and normalised_name(written.name) in _NOT_YET:
        _note_unavailable_section(draft, written)
        return
    if name is None:
        text = f"{written.name}: unknown section{unknown_section(written.name)}"
        draft.note_at(draft.problems, written.line, text)
        name = similar_section(written.name)
        if name is None or name in draft.present:
            return
    draft.lines.setdefault(name, written.line)
    if name != written.name and section_of(written.name):
        draft.renamed.append(f"section {written.name} → {name} (line {written.line})")
    for key, node in written.options.items():
        _assign_key(draft, written.name, name, key, node)


def _note_unavailable_section(draft: _Draft, written: SectionText) -> None:
    """Add a warning on a section that is not available yet, or a problem if it enables a feature."""
    selected = [
        key for key, node in written.options.items() if not _is_none(node.plain()) and node.plain() is not False
    ]
    if selected and _NOT_YET[normalised_name(written.name)] == "ability":
        text = f"{written.name}: is known but not available yet; remove the section ({', '.join(selected)})"
        draft.note_at(draft.problems, written.line, text)
    else:
        draft.note_at(draft.warnings, written.line, f"{written.name}: has no effect: it is not available yet")


def _assign_key(draft: _Draft, written: str, section: str, key: str, node: Node) -> None:
    """Assign one key to its present section, or add a problem or warning."""
    place, line = place_of(section, key, draft.selected.letters), node.line
    if place.how == "unknown":
        hint = ""
        if len(draft.problems) < MAX_PROBLEMS_WITH_HINTS:
            hint = unknown_option(section, key)
            draft.misspelt.add((section, similar_option(section, key)))
        draft.note_at(draft.problems, line, f"{section}.{key}: unknown option{hint}")
    elif place.how == "without effect":
        draft.note_at(draft.warnings, line, f"{section}.{key}: {place.text}")
    elif place.how == "unused":
        if not _is_default(KEYS[place.section].get(place.key), node.plain()):
            draft.unused.append(f"{place.section}.{place.key} (line {line})")
    else:
        if place.how == "renamed" or (place.how == "moved" and written != section):
            draft.renamed.append(f"{written}.{key} → {place.section}.{place.key} (line {line})")
        elif place.how == "moved":
            text = f"{section}.{key}: read as {place.section}.{place.key}; move it to section {place.section}"
            draft.note_at(draft.warnings, line, text)
        draft.put(place.section, place.key, node)


def _is_default(info: FieldInfo | None, value: object) -> bool:
    """Whether a value is None or the default of an option; ``info`` is None for an unknown option."""
    if _is_none(value):
        return True
    value = tuple(value) if isinstance(value, list) else value
    return info is not None and not is_mandatory(info) and value == default_of(info)


def _is_none(value: object) -> bool:
    """Whether a value is None or a legacy spelling of None."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("none", ""))


def _not_given(name: str, key: str, value: object) -> bool:
    """Whether a value is None and the default, which is not None, applies."""
    info = KEYS[name].get(key)
    if info is None or is_mandatory(info) or (name, key) in NONE_IS_A_VALUE:
        return False
    return _is_none(value) and default_of(info) is not None


def _value(name: str, key: str, node: Node) -> Any:
    """The value of an option, converted from its legacy form; ValueError if it cannot be converted."""
    return legacy.VALUES.get((name, key), lambda value: value)(node.plain())


def _validated(draft: _Draft, name: str, context: Mapping[str, object]) -> Section | None:
    """The validated section. None if it is invalid; its problems are then added to the draft."""
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
    for key in draft.selected.needed(name):
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
    """Replace legacy names of builders, or add a problem if the builders are unknown."""
    if draft.selected.problem:
        option = str(draft.selected.problem.option[-1]) if draft.selected.problem.option else "builders_class_name"
        draft.note(draft.problems, "builders", (option,), draft.selected.problem.text)
    elif _all_texts(values.get("builders_class_name")):
        values["builders_class_name"] = [builder.name for builder in draft.selected.builders]


def _without_effect(options: Options, path: tuple[str | int, ...] = ()) -> Iterator[tuple[KeyPath, str]]:
    """Pairs of path and message for options without effect."""
    for name in sorted(options.model_fields_set):
        info, value = type(options).model_fields[name], getattr(options, name)
        here = (*path, info.alias or name)
        if about(info).status == "no effect" and value != default_of(info):
            yield here, f"has no effect: {about(info).reason}"
        for deeper, inner in _inner(value):
            yield from _without_effect(inner, (*here, *deeper))


def _inner(value: Any) -> Iterator[tuple[tuple[str | int, ...], Options]]:
    """Dictionaries of options inside a value, with their paths in it."""
    if isinstance(value, Options):
        yield (), value
    elif isinstance(value, tuple):
        yield from (((i,), item) for i, item in enumerate(value) if isinstance(item, Options))
    elif isinstance(value, dict):
        yield from (((key,), item) for key, item in value.items() if isinstance(item, Options))
