"""Syntax of YAML configuration files."""

from __future__ import annotations

from pathlib import Path

import yaml

from iota2.config.syntax.document import MAX_DEPTH, Document, Keys, Node, bare_value, document
from iota2.errors import ConfigError

_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map")
}


def written_in_yaml(path: Path) -> bool:
    """Whether a file name has a YAML extension."""
    return path.suffix.lower() in (".yaml", ".yml")


def read_yaml(text: str, source: Path) -> Document:
    """The sections and keys of a YAML text, with line numbers; ``source``: name of the text in messages.

    Words without quotes have the same meaning as in a ``.cfg`` file (``1e-3`` is a number, ``2018-01-01`` a text).
    YAML's spellings of true, false and null are also accepted. Raises ConfigError for a syntax error, repeated keys,
    tags, anchors and aliases.
    """
    root = _composed(text, source)
    if root is None:
        return Document(source, ())
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(["line 1: expected sections, each 'name:' with its keys indented below"], source=str(source))
    problems: list[str] = []
    reader = _Reader(problems)
    sections = reader.node(root, 1).value
    assert isinstance(sections, dict)
    return document(source, sections, problems)


def _composed(text: str, source: Path) -> yaml.Node | None:
    """The root node of a YAML text; None for an empty text."""
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as err:
        line, code = text.count("\n", 0, err.position) + 1, int(err.character)
        problem = f"line {line}: not YAML: the character U+{code:04X} is not allowed; remove it"
        raise ConfigError([problem], source=str(source)) from None
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        context = f" {err.context}" if err.context else ""
        problem = f"{where}not YAML{context}: {err.problem}{_hint(str(err.problem))}"
    except RecursionError:
        problem = f"line {loader.line + 1}: not YAML: values are nested deeper than {MAX_DEPTH}; simplify the value"
    except (ValueError, OverflowError):  # PyYAML does not check the size of version numbers and escapes
        where = f"line {loader.line + 1}, column {loader.column + 1}"
        problem = f"{where}: not YAML: the number is too large for a character code or a version; correct it"
    finally:
        loader.dispose()
    raise ConfigError([problem], source=str(source))


def _hint(problem: str) -> str:
    """A hint on the usual cause of a syntax error; empty for others."""
    if "'\\t'" in problem:
        return "; indent with spaces instead of tabs"
    if "<block end>" in problem or "mapping values are not allowed" in problem:
        return "; give all keys of a section the same indentation, and put text with ':' in quotes"
    return ""


class _Reader:
    """Converter of YAML nodes to ``Node``. Unsupported parts are added to ``problems``."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        self._seen: set[int] = set()

    def node(self, part: yaml.Node, line: int, depth: int = 0) -> Node:
        if depth > MAX_DEPTH:
            self.problems.append(f"line {line}: values are nested deeper than {MAX_DEPTH}; simplify the value")
            return Node(None, line)
        if id(part) in self._seen:
            self.problems.append(f"line {line}: anchors and aliases are not supported; write the value again")
            return Node(None, line)
        self._seen.add(id(part))
        if part.tag not in _PLAIN_TAGS:
            self.problems.append(f"line {line}: the tag {part.tag!r} is not supported; write a plain value")
            return Node(None, line)
        if isinstance(part, yaml.MappingNode):
            return self._mapping(part, line, depth + 1)
        if isinstance(part, yaml.SequenceNode):
            return Node(tuple(self.node(child, child.start_mark.line + 1, depth + 1) for child in part.value), line)
        assert isinstance(part, yaml.ScalarNode)
        return self._scalar(part, line)

    def _mapping(self, part: yaml.MappingNode, line: int, depth: int) -> Node:
        keys = Keys(self.problems)
        for key, value in part.value:
            at = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                keys.add(key.value, self.node(value, at, depth))
            else:
                self.problems.append(f"line {at}: expected a text as key, got a list or dictionary; correct it")
        return Node(keys.nodes, line)

    def _scalar(self, part: yaml.ScalarNode, line: int) -> Node:
        kind = part.tag.rpartition(":")[2]
        if any(0xD800 <= ord(char) < 0xE000 for char in part.value):
            self.problems.append(
                f"line {line}: an escape in this text is no valid character; write the character itself"
            )
            return Node(None, line)
        if part.style is not None:
            return Node(part.value, line)
        if kind == "null":
            return Node(None, line)
        if kind == "bool":
            return Node(part.value.lower() in ("true", "yes", "on"), line)
        return Node(bare_value(part.value), line)
