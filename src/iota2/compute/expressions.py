"""Grammar and semantics of the option ``additional_features``: expressions of the bands of one date."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken

from iota2.compute.stack import Op, Program
from iota2.core.words import did_you_mean
from iota2.errors import ConfigError

MAX_CHARACTERS = 4000
"""Maximum number of characters of an expression."""
MAX_DEPTH = 100
"""Maximum stack depth of an expression, which increases with nesting in right-hand operands."""

GRAMMAR = r"""
?start:      choice
?choice:     either | either "?" choice ":" choice -> choose
?either:     both | either _OR both -> or
?both:       denial | both _AND denial -> and
?denial:     comparison | _NOT denial -> not
?comparison: sum
           | comparison "<" sum -> less
           | comparison "<=" sum -> less_equal
           | comparison ">" sum -> greater
           | comparison ">=" sum -> greater_equal
           | comparison "==" sum -> equal
           | comparison "!=" sum -> unequal
?sum:        product | sum "+" product -> add | sum "-" product -> subtract
?product:    signed | product "*" signed -> multiply | product "/" signed -> divide
?signed:     power | "-" signed -> negate | "+" signed | "!" signed -> not
?power:      value | value _POWER signed -> power
?value:      NUMBER | BAND | FUNCTION "(" choice ("," choice)* ")" -> call | "(" choice ")"

_OR:      /\|\||or\b/
_AND:     /&&|and\b/
_NOT:     /not\b/
_POWER:   /\*\*|\^/
NUMBER:   /([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?/
FUNCTION: /(?!(and|or|not)\b)[A-Za-z_][A-Za-z_0-9]*(?=\s*\()/
BAND:     /(?!(and|or|not)\b)[A-Za-z_][A-Za-z_0-9]*(?!\s*\()(?![A-Za-z_0-9])/
%ignore /\s+/
"""
"""Grammar, from the operator with the lowest precedence to the highest."""

OPERATORS: Mapping[str, str] = {
    "a ^ b, a ** b": "a to the power of b; `2 ^ 3 ^ 2` is `2 ^ (3 ^ 2)`, and `-2 ^ 2` is `-(2 ^ 2)`",
    "-a, +a, !a": "minus a, a, not a",
    "a * b, a / b": "product, quotient",
    "a + b, a - b": "sum, difference",
    "a < b, a <= b, a > b, a >= b, a == b, a != b": "1 if true, otherwise 0; evaluated from left to right",
    "not a": "1 if a is 0, otherwise 0",
    "a && b, a and b": "1 if neither is 0, otherwise 0; if a is 0, b may be undefined",
    "a || b, a or b": "1 if one is not 0, otherwise 0; if a is not 0, b may be undefined",
    "a ? b : c": "b if a is not 0, otherwise c; the other may be undefined",
}
"""Meaning of the operators, from the highest precedence to the lowest."""

_PARSER = Lark(GRAMMAR, parser="lalr", lexer="basic")
_POSITION = re.compile(r"(?:im1)?b(\d+)")


@dataclass(frozen=True)
class Function:
    """A function that expressions may call."""

    op: Op
    about: str
    arguments: int | None = 1
    """Number of arguments; None for any number, combined pairwise."""
    averaged: bool = False
    """Whether the result is divided by the number of arguments."""


FUNCTIONS: Mapping[str, Function] = {
    "abs": Function(Op.ABS, "absolute value"),
    "sign": Function(Op.SIGN, "-1, 0 or 1"),
    "rint": Function(Op.RINT, "nearest integer; of two equally near ones the even one"),
    "sqrt": Function(Op.SQRT, "square root"),
    "exp": Function(Op.EXP, "e to the power of the argument"),
    "log": Function(Op.LOG, "natural logarithm, as `ln`"),
    "ln": Function(Op.LOG, "natural logarithm"),
    "log2": Function(Op.LOG2, "logarithm to base 2"),
    "log10": Function(Op.LOG10, "logarithm to base 10"),
    "sin": Function(Op.SIN, "sine of an angle in radians"),
    "cos": Function(Op.COS, "cosine of an angle in radians"),
    "tan": Function(Op.TAN, "tangent of an angle in radians"),
    "asin": Function(Op.ASIN, "angle in radians whose sine is the argument"),
    "acos": Function(Op.ACOS, "angle in radians whose cosine is the argument"),
    "atan": Function(Op.ATAN, "angle in radians whose tangent is the argument"),
    "atan2": Function(Op.ATAN2, "atan2(y, x): angle in radians of the point (x, y)", 2),
    "sinh": Function(Op.SINH, "hyperbolic sine"),
    "cosh": Function(Op.COSH, "hyperbolic cosine"),
    "tanh": Function(Op.TANH, "hyperbolic tangent"),
    "asinh": Function(Op.ASINH, "inverse of the hyperbolic sine"),
    "acosh": Function(Op.ACOSH, "inverse of the hyperbolic cosine"),
    "atanh": Function(Op.ATANH, "inverse of the hyperbolic tangent"),
    "min": Function(Op.MIN, "smallest argument", None),
    "max": Function(Op.MAX, "largest argument", None),
    "sum": Function(Op.ADD, "sum of the arguments", None),
    "avg": Function(Op.ADD, "mean of the arguments", None, averaged=True),
    "ndvi": Function(Op.NDVI, "ndvi(r, n): (n - r) / (n + r)", 2),
}
"""Functions by name. Names and semantics are those of muParser (https://beltoforion.de/en/muparser), and ``ndvi`` that
of OTB's BandMath."""


def split_expressions(text: str) -> tuple[str, ...]:
    """Expressions of a comma-separated text; commas in parentheses separate arguments.

    Runs of blanks become single blanks. Two consecutive commas enclose an empty expression; a blank text contains no
    expression.
    """
    depth, start, found = 0, 0, []
    for position, character in enumerate(text):
        depth = max(depth + (character == "(") - (character == ")"), 0)
        if character == "," and depth == 0:
            found.append(text[start:position])
            start = position + 1
    return tuple(" ".join(part.split()) for part in (*found, text[start:])) if text.strip() else ()


def expression_problems(expressions: Sequence[str], bands: Sequence[str]) -> Iterator[str]:
    """Messages on invalid expressions of the given bands."""
    for number, text in enumerate(expressions, 1):
        if not text:
            yield f"expression {number} of {len(expressions)} is empty; expected one before and after every comma"
            continue
        try:
            compile_expression(text, tuple(bands))
        except ConfigError as err:
            shown = text if len(text) <= 120 else f"{text[:117]}..."
            yield from (f"expression {number} '{shown}', {problem}" for problem in err.problems)


def bands_by_position(expressions: Sequence[str], bands: Sequence[str]) -> dict[str, str]:
    """Bands that valid expressions refer to by position, as a mapping from ``b1`` … to band names."""
    names = [str(part) for text in expressions for part in _parse(text) if _is(part, "BAND")]
    places = sorted({int(match[1]) for match in map(_POSITION.fullmatch, names) if match})
    return {f"b{place}": bands[place - 1] for place in places}


@lru_cache(maxsize=1024)
def compile_expression(text: str, bands: tuple[str, ...]) -> Program:
    """Compile an expression; ``bands`` are the bands of a date, in order.

    Raises ConfigError with all problems and their columns, or with the first syntax error only.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(
            [f"column {MAX_CHARACTERS}: the expression has {len(text)} characters; expected at most {MAX_CHARACTERS}"]
        )
    compiler = _Compiler(bands)
    for part in _parse(text):
        compiler.write(part)
    if not compiler.problems and not any(code == Op.BAND for code, _ in compiler.steps):
        hint = "expected at least one band; write decimals with a point, since a comma begins the next expression"
        compiler.problems.append(f"column 1: the expression uses no band; {hint}")
    if not compiler.problems and compiler.depth > MAX_DEPTH:
        compiler.problems.append(f"column 1: the nesting is too deep; expected at most {MAX_DEPTH} pending values")
    if compiler.problems:
        raise ConfigError(compiler.problems)
    codes, operands = np.array(compiler.steps, np.int64).T.copy()
    return Program(codes, operands, np.array(compiler.numbers, np.float64), compiler.depth)


class _Compiler:
    """Translates the parts of an expression into a program for a stack machine: operands before operators."""

    def __init__(self, bands: tuple[str, ...]) -> None:
        self.steps: list[tuple[Op, int]] = []
        self.numbers: list[float] = []
        self.depth = 0
        self.problems: list[str] = []
        self._bands = bands
        self._stacked = 0

    def write(self, part: Token | Tree[Token]) -> None:
        """Append the operations of one part."""
        if isinstance(part, Tree):
            if part.data == "call":
                self._call(part.children)
            else:
                self._step(Op[str(part.data).upper()])
        elif part.type == "NUMBER":
            self._number(float(part))
            if not math.isfinite(float(part)):
                self._add_problem(part, f"number '{part}' is too large")
        else:
            self._step(Op.BAND, self._band(part))

    def _step(self, op: Op, operand: int = 0) -> None:
        self.steps.append((op, operand))
        self._stacked += 1 - op.takes
        self.depth = max(self.depth, self._stacked)

    def _number(self, value: float) -> None:
        self.numbers.append(value)
        self._step(Op.NUMBER, len(self.numbers) - 1)

    def _call(self, children: Sequence[Token | Tree[Token]]) -> None:
        name, count = children[0], len(children) - 1
        assert isinstance(name, Token)
        function = FUNCTIONS.get(str(name))
        if function is None:
            hint = did_you_mean(name, FUNCTIONS) or f"; expected one of {', '.join(FUNCTIONS)}"
            self._add_problem(name, f"unknown function '{name}'{hint}")
        elif function.arguments not in (None, count):
            takes = "one argument" if function.arguments == 1 else f"{function.arguments} arguments"
            self._add_problem(name, f"'{name}' takes {takes}, not {count}: {function.about}")
        if function is None or self.problems:
            return
        for _ in range(1 if function.arguments else count - 1):
            self._step(function.op)
        if function.averaged:
            self._number(count)
            self._step(Op.DIVIDE)

    def _band(self, token: Token) -> int:
        """Position (from 0) of a band; 0 for an unknown band, which is added to the problems."""
        name, bands = str(token), self._bands
        listed = ", ".join(f"b{k} = {band}" for k, band in enumerate(bands, 1))
        match = _POSITION.fullmatch(name)
        if match:
            place = int(match[1]) - 1
            if not 0 <= place < len(bands):
                self._add_problem(token, f"there is no band '{name}'; expected one of {listed}")
            elif name in bands and bands[place] != name:
                self._add_problem(
                    token,
                    f"'{name}' is ambiguous: it is the name of band {bands.index(name) + 1} and the position of band "
                    f"'{bands[place]}'; expected '{bands[place]}' or b{bands.index(name) + 1}",
                )
            else:
                return place
            return 0
        if name in bands:
            return bands.index(name)
        like = [k for k, band in enumerate(bands) if band.lower() == name.lower()]
        if len(like) == 1:
            return like[0]
        hint = did_you_mean(name, bands)
        self._add_problem(token, f"unknown band '{name}'{hint or f'; expected one of {listed}'}")
        return 0

    def _add_problem(self, token: Token, text: str) -> None:
        self.problems.append(f"column {token.column}: {text}")


def _parse(text: str) -> list[Token | Tree[Token]]:
    """The parts of an expression in order of evaluation; ConfigError for the first syntax error.

    Not recursive, because texts may be deeply nested.
    """
    try:
        pending: list[Token | Tree[Token]] = [_PARSER.parse(text)]
    except UnexpectedInput as err:
        raise ConfigError([_syntax_problem(err, text)]) from None
    found = []
    while pending:
        part = pending.pop()
        found.append(part)
        if isinstance(part, Tree):
            pending.extend(child for child in part.children if not _is(child, "FUNCTION"))
    return found[::-1]


def _is(part: Token | Tree[Token], kind: str) -> bool:
    return isinstance(part, Token) and part.type == kind


def _syntax_problem(err: UnexpectedInput, text: str) -> str:
    """Message on a syntax error: column, found and expected text."""
    if not isinstance(err, UnexpectedToken):
        character = text[err.pos_in_stream or 0]
        hint = f"; did you mean '{2 * character}'?" if character in "=&|" else ""
        return f"column {err.column}: '{character}' is not allowed in an expression{hint}"
    accepted = err.accepts or err.expected
    if "NUMBER" in accepted:
        wanted = ["a band, a number, a function or '('"]
    else:
        wanted = ["an operator", *(text for name, text in (("RPAR", "')'"), ("COLON", "':'")) if name in accepted)]
    expected = " or ".join(wanted)
    if err.token.type == "$END":
        return f"column {len(text) + 1}: unexpected end; expected {expected}"
    return f"column {err.token.column}: unexpected '{err.token}'; expected {expected}"
