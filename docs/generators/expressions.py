"""The page on expressions of bands."""

from __future__ import annotations

from generators.markdown import GENERATED, code, codes, table
from iota2.compute.expressions import FUNCTIONS, MAX_CHARACTERS, MAX_DEPTH, OPERATORS, Function

HEAD = f"""{GENERATED}

# Expressions

This page defines the syntax of `additional_features` of a sensor, and of `[Features] expression` in the INI file of
Sentinel-1. [Features from expressions of bands](../howto/additional-features.md) describes their use.

Expressions are separated by commas. Each consists of bands, numbers (`12`, `0.5`, `1e-3`), operators, functions and
parentheses. Blanks are ignored. An expression has at most {MAX_CHARACTERS} characters and at most {MAX_DEPTH}
intermediate values at a time; only deep nesting to the right reaches the second limit.

## Bands

| form | meaning |
| --- | --- |
| `b1`, `b2` … | the first band in use, the second … (those of `keep_bands`, in the order of the sensor) |
| `im1b1`, `im1b2` … | the same |
| `B4`, `vv` … | the band of this name; exact case is needed only if several names differ in case alone |

A lower-case `b` with a number is always a position, an upper-case `B` always a name. A note of the run lists the bands
at the positions.
"""


def expressions_page() -> str:
    """The syntax of expressions, with tables of bands, operators and functions."""
    operators = [(codes(signs.split(", ")), meaning) for signs, meaning in OPERATORS.items()]
    functions = [(code(name), _arguments(function), function.about) for name, function in FUNCTIONS.items()]
    return "\n".join(
        [
            f"{HEAD}\n## Operators\n\nIn order of precedence, highest first.\n",
            table(("operator", "meaning"), operators),
            "## Functions\n",
            table(("function", "arguments", "meaning"), functions),
        ]
    )


def _arguments(function: Function) -> str:
    return "any number" if function.arguments is None else str(function.arguments)
