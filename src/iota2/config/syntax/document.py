"""What a configuration file says, key by key with its lines, before anything is known about options."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iota2.core.files import read_bytes
from iota2.errors import ConfigError, remedy_of

MAX_DEPTH = 40
"""Deepest nesting of brackets that is read."""
MAX_BYTES = 2 << 20
"""Size of the largest file that is read."""
MAX_ENTRIES = 10_000
"""Most lines and other parts of a file that is read; a parser would take minutes for more."""
_PARTS = ":,\n[{"

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?")
_WORDS = {"True": True, "False": False, "None": None}


@dataclass(frozen=True)
class Node:
    """A value with the line it stands on; containers hold nodes."""

    value: bool | int | float | str | tuple[Node, ...] | Mapping[str, Node] | None
    line: int

    def plain(self) -> Any:
        """The value as None, bool, int, float, str, list or dict."""
        if isinstance(self.value, Mapping):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value

    def line_of(self, path: Sequence[str | int]) -> int:
        """Line of the part that ``path`` leads to, or of the last part on the way that exists."""
        if path and isinstance(self.value, Mapping) and path[0] in self.value:
            return self.value[str(path[0])].line_of(path[1:])
        if path and isinstance(self.value, tuple) and isinstance(path[0], int) and path[0] < len(self.value):
            return self.value[path[0]].line_of(path[1:])
        return self.line


@dataclass(frozen=True)
class SectionText:
    """One section as written: its name, its line, its keys (those of nested dictionaries stay nested)."""

    name: str
    line: int
    options: Mapping[str, Node]


@dataclass(frozen=True)
class Document:
    """A whole configuration file as written, sections in file order, each name once."""

    source: Path
    sections: tuple[SectionText, ...]


OptionPath = Sequence[str | int]
"""Section, key, then keys and numbers of list entries inside the value."""


@dataclass(frozen=True)
class Places:
    """The lines of a configuration file on which options are written, by their present names."""

    nodes: Mapping[str, Mapping[str, Node]] = field(default_factory=dict)
    """What is written, by section and key."""

    def node(self, section: str, key: str) -> Node | None:
        """The value written for an option; None when it has its default."""
        return self.nodes.get(section, {}).get(key)

    def line(self, option: OptionPath) -> int:
        """Line of an option, or of the nearest part around it that is written; 0 when it is not written."""
        node = self.node(str(option[0]), str(option[1])) if len(option) > 1 else None
        return node.line_of(option[2:]) if node else 0

    def with_line(self, option: OptionPath, text: str) -> tuple[int, str]:
        """Line of an option (0 when it is not written), and a sentence about it with name and line.

        Other options that the sentence names get their lines too.
        """
        line, name = self.line(option), ".".join(map(str, option))
        text = self._with_lines(text, name)
        named = f"{name}: {text}" if name else text
        return line, f"line {line}: {named}" if line else named

    def _with_lines(self, text: str, but: str) -> str:
        """The sentence with the line after the first mention of each other option."""
        for found in mentioned(text):
            section, _, key = found.partition(".")
            node = self.node(section, key)
            if node is not None and found != but:
                text = re.sub(
                    rf"(?<![\w./-]){re.escape(found)}(?![\w.]*\w|:)", f"{found} (line {node.line})", text, count=1
                )
        return text


def mentioned(text: str) -> list[str]:
    """Words of a sentence that look like options with their section, without repetition."""
    return list(dict.fromkeys(_MENTIONED.findall(text)))


_MENTIONED = re.compile(r"(?<![\w./-])[A-Za-z]\w*\.[a-z]\w*(?![\w.]*\w|:)")
"""What may be an option with its section."""


def bare_value(word: str) -> bool | int | float | str | None:
    """Value of a word without quotes: True, False, None, a whole number, a number, or the word itself.

    Numbers beyond what a computer holds (``1e999``, a hundred digits) stay words, which no option for a number accepts.
    """
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.fullmatch(word):
        return int(word)
    number = float(word) if _FLOAT.fullmatch(word) else math.inf
    return number if math.isfinite(number) else word


class Keys:
    """Gathers the keys of one dictionary or file and notes those given twice in ``problems``."""

    def __init__(self, problems: list[str]) -> None:
        self.nodes: dict[str, Node] = {}
        self._problems = problems

    def add(self, key: str, node: Node) -> None:
        """Keeps ``node`` under ``key``; the first one stays when the key is there already."""
        first = self.nodes.setdefault(key, node)
        if first is not node:
            self._problems.append(f"line {node.line}: '{key}' is given twice, first on line {first.line}; keep one")


def document(source: Path, sections: Mapping[str, Node], problems: list[str]) -> Document:
    """A document of nodes that must all be dictionaries; an empty node is an empty section.

    Raises ConfigError with ``problems`` and those found here.
    """
    texts = []
    for name, node in sections.items():
        if isinstance(node.value, Mapping):
            texts.append(SectionText(name, node.line, node.value))
        elif node.value is None:
            texts.append(SectionText(name, node.line, {}))
        else:
            problems.append(
                f"line {node.line}: '{name}' stands outside of any section; expected a section holding "
                "'key : value' entries, put it into one (indented below the header or between braces)"
            )
    if problems:
        raise ConfigError(problems, source=str(source))
    return Document(source, tuple(texts))


def read_text(path: Path) -> str:
    """Content of a UTF-8 file, without byte order mark, lines ending in a plain newline.

    Raises ConfigError when there is no such file, it is not UTF-8, or it is too large for a configuration.
    """
    try:
        raw = read_bytes(path, MAX_BYTES)
    except OSError as err:
        raise ConfigError([f"cannot be read: {err.strerror}. {remedy_of(err)}"], source=str(path)) from err
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = raw[: err.start].count(b"\n") + 1
        raise ConfigError([f"line {line}: is not UTF-8; save the file as UTF-8"], source=str(path)) from err
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if (parts := sum(map(text.count, _PARTS))) > MAX_ENTRIES:
        problem = f"has {parts} lines and entries, more than the {MAX_ENTRIES} of the longest configuration"
        raise ConfigError([f"{problem}; is it the right file?"], source=str(path))
    return text
