"""Syntax of ``.cfg`` files: sections of ``key : value`` entries, in braces or indented below a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken

from iota2.config.syntax.document import MAX_DEPTH, MAX_ENTRIES, Document, Keys, Node, bare_value, document
from iota2.errors import ConfigError

GRAMMAR = r"""
start: _sep? (item (_sep item)* _sep?)?
item:  key ":" value?
dict:  "{" _sep? (entry (_sep entry)* _sep?)? "}"
entry: key ":" value
list:  "[" _sep? (value (_sep value)* _sep?)? "]"
?value: STRING | BARE | dict | list
?key:  STRING | BARE
_sep:  _NL? "," _NL? | _NL

STRING: /'(\\.|[^'\\\n])*'|"(\\.|[^"\\\n])*"/
BARE: /(?i:epsg):\d+|[^\s,:{}\[\]#'"]+/
_NL: /(\n[ \t\f]*(#[^\n]*)?)+/
COMMENT: /#[^\n]*/
BLANK: /[ \t\f]+/
%ignore COMMENT
%ignore BLANK
%declare TOO_DEEP
"""

_TOKEN_NAMES = {
    "COLON": "':'",
    "COMMA": "','",
    "_NL": "a new line",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "LSQB": "'['",
    "RSQB": "']'",
    "STRING": "a quoted text",
    "BARE": "a word or number",
    "$END": "the end of the file",
}


_MAX_TOKENS = 5 * MAX_ENTRIES
"""Maximum number of tokens. A valid text with MAX_ENTRIES entries has fewer."""


class _Lines:
    """Filter of tokens that removes line breaks between ``:`` and a value on the next line."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        tokens = list(islice(stream, _MAX_TOKENS))
        kinds = [token.type for token in tokens] + ["", "", ""]
        depth = 0
        for i, token in enumerate(tokens):
            depth += (token.type in ("LBRACE", "LSQB")) - (token.type in ("RBRACE", "RSQB"))
            after_colon = token.type == "_NL" and i > 0 and kinds[i - 1] == "COLON"
            if depth > MAX_DEPTH:
                yield Token.new_borrow_pos("TOO_DEEP", token.value, token)
            elif not (after_colon and _starts_value(kinds[i + 1 : i + 3])):
                yield token


def _starts_value(kinds: list[str]) -> bool:
    """Whether the next two tokens begin a value, not another ``key :``."""
    return kinds[0] in ("LBRACE", "LSQB") or (kinds[0] in ("STRING", "BARE") and kinds[1] != "COLON")


_PARSER = Lark(GRAMMAR, parser="lalr", lexer="basic", postlex=_Lines())


def read_cfg(text: str, source: Path) -> Document:
    """The sections and keys of a ``.cfg`` text, with line numbers; ``source``: name of the text in messages.

    A key at the outer level with a dictionary is a section. A key without value is the header of a section; its entries
    follow, indented deeper than the header. Raises ConfigError for a syntax error (line, column, expected token) and
    for repeated keys.
    """
    try:
        tree = _PARSER.parse(text)
    except UnexpectedInput as err:
        raise ConfigError([_syntax_problem(err, text)], source=str(source)) from None
    problems: list[str] = []
    return document(source, _sections(tree, problems), problems)


def _sections(tree: Tree[Token], problems: list[str]) -> dict[str, Node]:
    """Nodes of the outer keys. Entries below a header are the dictionary of the header."""
    outer = Keys(problems)
    header: Token | None = None
    inside = Keys(problems)
    for item in tree.children:
        assert isinstance(item, Tree)
        key, *rest = item.children
        assert isinstance(key, Token)
        indented = header is not None and (key.column or 0) > (header.column or 0)
        if rest and indented:
            inside.add(_text(key), _node(rest[0], key, problems))
        elif rest:
            header = None
            outer.add(_text(key), _node(rest[0], key, problems))
        elif indented:
            problems.append(f"line {key.line}: '{_text(key)}' has no value; add one or remove the key")
        else:
            header, inside = key, Keys(problems)
            outer.add(_text(key), Node(inside.nodes, key.line or 0))
    return outer.nodes


def _node(part: Tree[Token] | Token, at: Token, problems: list[str]) -> Node:
    """The node of a value; ``at`` is the token that defines its line."""
    line = at.line or 0
    if isinstance(part, Token):
        return Node(_text(part) if part.type == "STRING" else bare_value(str(part)), line)
    if part.data == "list":
        return Node(tuple(_node(child, _first(child, at), problems) for child in part.children), line)
    keys = Keys(problems)
    for entry in part.children:
        assert isinstance(entry, Tree)
        key, value = entry.children
        assert isinstance(key, Token)
        keys.add(_text(key), _node(value, key, problems))
    return Node(keys.nodes, line)


def _first(part: Tree[Token] | Token, fallback: Token) -> Token:
    """The first token of a value; ``fallback`` for an empty list or dictionary."""
    if isinstance(part, Token):
        return part
    return next(iter(part.scan_values(lambda _: True)), fallback)


def _text(token: Token) -> str:
    """The text of a key or string token, without quotes and escapes."""
    return re.sub(r"\\([\\'\"])", r"\1", token[1:-1]) if token.type == "STRING" else str(token)


def _syntax_problem(err: UnexpectedInput, text: str) -> str:
    """The message on a syntax error: position, and expected token."""
    where = f"line {err.line}, column {err.column}"
    if not isinstance(err, UnexpectedToken):
        return f"{where}: the quote opened here is not closed on its line; expected a closing quote"
    if err.token.type == "TOO_DEEP":
        return f"{where}: brackets are nested deeper than {MAX_DEPTH}; simplify the value, or close an open bracket"
    said = sorted(_TOKEN_NAMES[name] for name in err.accepts or err.expected if name in _TOKEN_NAMES)
    found = {"$END": "the file ends", "_NL": "the line ends"}.get(err.token.type, f"found {str(err.token)!r}")
    hint = "; put text with spaces or ':' in quotes" if "_NL" in err.expected else ""
    hint = hint or _other_content(err, text)
    return f"{where}: {found}, expected {' or '.join(said)}{hint}{_unclosed(err.token, text)}"


def _other_content(err: UnexpectedToken, text: str) -> str:
    """A hint on a decimal comma, or on a file that is no configuration; otherwise empty."""
    lines = text.splitlines()
    written = lines[err.line - 1] if 0 < err.line <= len(lines) else ""
    if re.search(r":\s*-?\d+,\d+\s*$", written):
        return "; write a decimal number with a point"
    if "{" not in text:
        return "; this does not look like a configuration, which has sections such as 'chain : { … }'"
    return ""


def _unclosed(at: Token, text: str) -> str:
    """A hint on a bracket that may not be closed before a syntax error; empty without such a bracket."""
    opened: list[Token] = []
    begins: dict[int, int] = {}
    suspect = None
    for token in _PARSER.lex(text):
        line, column = token.line or 0, token.column or 0
        if token.type != "_NL":
            begins.setdefault(line, column)
        if at.type != "$END" and (token.start_pos or 0) >= (at.start_pos or 0):
            break
        if token.type in ("LBRACE", "LSQB"):
            opened.append(token)
        elif token.type in ("RBRACE", "RSQB"):
            last = opened.pop()
            if (
                begins[line] == column < begins[last.line or 0]
            ):  # the closing bracket is left of the line with the opening one
                suspect = suspect or last
    suspect = suspect or (opened[-1] if opened else None)
    if suspect is None or at.line == suspect.line:
        return ""
    begin = begins.get(at.line or 0, 0)
    outside = at.type in ("$END", "RBRACE", "RSQB") or suspect.type == "LSQB" or begin <= begins[suspect.line or 0]
    return f"; is the '{suspect}' opened on line {suspect.line}, column {suspect.column} closed?" if outside else ""
