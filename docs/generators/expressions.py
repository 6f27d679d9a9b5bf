"""The page about expressions of bands."""

from __future__ import annotations

from generators.markdown import MADE, code, codes, table
from iota2.compute.expressions import FUNCTIONS, MAX_DEPTH, MAX_LENGTH, OPERATORS, Function

HEAD = f"""{MADE}

# Expressions

What `additional_features` of a sensor may hold, and `[Features] expression` of the INI file of Sentinel-1. How they are
used stands in [Features of your own](../howto/additional-features.md).

Expressions are separated by commas. Each is made of bands, numbers (`12`, `0.5`, `1e-3`), operators, functions and
parentheses. Blanks do not matter. An expression has at most {MAX_LENGTH} characters, and may keep {MAX_DEPTH} values
for later at once, which only deep nesting to the right needs.

## Bands

| written | means |
| --- | --- |
| `b1`, `b2` … | the first band in use, the second … (those of `keep_bands`, in the order of the sensor) |
| `im1b1`, `im1b2` … | the same |
| `B4`, `vv` … | the band of this name; of names that differ in case alone, the one written so |

A small `b` with a number is always a place, a capital `B` always a name. The run tells which bands the places stand
for.
"""


def expressions_page() -> str:
    """Bands, operators and functions."""
    operators = [(codes(signs.split(", ")), meaning) for signs, meaning in OPERATORS.items()]
    functions = [(code(name), _arguments(function), function.about) for name, function in FUNCTIONS.items()]
    return "\n".join(
        [
            f"{HEAD}\n## Operators\n\nThose above are done before those below.\n",
            table(("operator", "meaning"), operators),
            "## Functions\n",
            table(("function", "arguments", "meaning"), functions),
        ]
    )


def _arguments(function: Function) -> str:
    return "any number" if function.arguments is None else str(function.arguments)
