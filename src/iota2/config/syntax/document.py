"""Content of a configuration file by section and key, with line numbers. This module knows no options."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iota2.core.files import read_bytes
from iota2.errors import ConfigError, OptionPath, option_name, remedy_of

MAX_DEPTH = 40
"""Maximum nesting depth of brackets."""
MAX_FILE_BYTES = 2 << 20
"""Maximum file size in bytes."""
MAX_ENTRIES = 10_000
"""Maximum number of lines, entries and brackets of a file; parsing more would take minutes."""
_PARTS = ":,\n[{"
"""Characters that MAX_ENTRIES counts."""

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?")
_WORDS = {"True": True, "False": False, "None": None}


@dataclass(frozen=True)
class Node:
    """A value with its line number; containers contain nodes."""

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
        """Line of the value at ``path``, or of its innermost existing parent."""
        if path and isinstance(self.value, Mapping) and path[0] in self.value:
            return self.value[str(path[0])].line_of(path[1:])
        if path and isinstance(self.value, tuple) and isinstance(path[0], int) and path[0] < len(self.value):
            return self.value[path[0]].line_of(path[1:])
        return self.line


@dataclass(frozen=True)
class SectionText:
    """One section of the file: its name, its line and its keys."""

    name: str
    line: int
    options: Mapping[str, Node]


@dataclass(frozen=True)
class Document:
    """A configuration file: sections in file order, with unique names."""

    source: Path
    sections: tuple[SectionText, ...]


@dataclass(frozen=True)
class Places:
    """Line numbers of the options in a configuration file, by present section and name."""

    nodes: Mapping[str, Mapping[str, Node]] = field(default_factory=dict)
    """Values of the file by section and key."""

    def node(self, section: str, key: str) -> Node | None:
        """The value of an option in the file; None if it is absent."""
        return self.nodes.get(section, {}).get(key)

    def line(self, option: OptionPath) -> int:
        """Line of an option, or of its innermost parent in the file; 0 if it is absent."""
        node = self.node(str(option[0]), str(option[1])) if len(option) > 1 else None
        return node.line_of(option[2:]) if node else 0

    def with_line(self, option: OptionPath, text: str) -> tuple[int, str]:
        """Line of an option (0 if it is absent), and a message about it with name and line.

        Line numbers are also inserted after other options in the message.
        """
        line, name = self.line(option), option_name(option)
        text = self._with_lines(text, name)
        named = f"{name}: {text}" if name else text
        return line, f"line {line}: {named}" if line else named

    def _with_lines(self, text: str, but: str) -> str:
        """The message with line numbers after the first mention of each other option."""
        for found in mentioned(text):
            section, _, key = found.partition(".")
            node = self.node(section, key)
            if node is not None and found != but:
                text = re.sub(
                    rf"(?<![\w./-]){re.escape(found)}(?![\w.]*\w|:)", f"{found} (line {node.line})", text, count=1
                )
        return text


def mentioned(text: str) -> list[str]:
    """Distinct words of a message in the form of an option with its section, such as ``chain.proj``."""
    return list(dict.fromkeys(_MENTIONED.findall(text)))


_MENTIONED = re.compile(r"(?<![\w./-])[A-Za-z]\w*\.[a-z]\w*(?![\w.]*\w|:)")
"""Pattern of an option with its section."""


def bare_value(word: str) -> bool | int | float | str | None:
    """Value of a word without quotes: True, False, None, an integer, a number, or the word itself.

    Numbers out of range (``1e999``, more than 18 digits) stay words, which numeric options reject.
    """
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.fullmatch(word):
        return int(word)
    number = float(word) if _FLOAT.fullmatch(word) else math.inf
    return number if math.isfinite(number) else word


class Keys:
    """Collector of the keys of one dictionary or file. Repeated keys are added to ``problems``."""

    def __init__(self, problems: list[str]) -> None:
        self.nodes: dict[str, Node] = {}
        self._problems = problems

    def add(self, key: str, node: Node) -> None:
        """Add ``node`` under ``key``; for a repeated key the first node is kept."""
        first = self.nodes.setdefault(key, node)
        if first is not node:
            self._problems.append(f"line {node.line}: '{key}' is given twice, first on line {first.line}; keep one")


def document(source: Path, sections: Mapping[str, Node], problems: list[str]) -> Document:
    """A document of these sections. An empty node is an empty section; other nodes must be dictionaries.

    Raises ConfigError with ``problems`` and the problems found here.
    """
    texts = []
    for name, node in sections.items():
        if isinstance(node.value, Mapping):
            texts.append(SectionText(name, node.line, node.value))
        elif node.value is None:
            texts.append(SectionText(name, node.line, {}))
        else:
            problems.append(
                f"line {node.line}: '{name}' is outside any section; expected a section with "
                "'key : value' entries. Put it into a section (indented below the header or between braces)"
            )
    if problems:
        raise ConfigError(problems, source=str(source))
    return Document(source, tuple(texts))


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without byte order mark, with normalised newlines.

    Raises ConfigError for a file that cannot be read, is not UTF-8, or is too large for a configuration.
    """
    if os.path.isdir(path):
        problem = "is a folder; expected a file. Give the configuration file, such as my.cfg"
        raise ConfigError([problem], source=str(path))
    try:
        raw = read_bytes(path, MAX_FILE_BYTES)
    except OSError as err:
        raise ConfigError([f"cannot be read: {err.strerror}. {remedy_of(err)}"], source=str(path)) from err
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = raw[: err.start].count(b"\n") + 1
        raise ConfigError([f"line {line}: is not UTF-8; save the file as UTF-8"], source=str(path)) from err
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if (parts := sum(map(text.count, _PARTS))) > MAX_ENTRIES:
        problem = f"has {parts} lines and entries; expected at most {MAX_ENTRIES}"
        raise ConfigError([f"{problem}. Check that it is the right file"], source=str(path))
    return text
