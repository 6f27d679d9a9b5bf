"""Options of a classifier as a pydantic model: option names, limits, and parameters of the training library."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from iota2.core.words import did_you_mean


def _number_of(value: object) -> float:
    """Number from a number or its text; ``ValueError`` for booleans and text that is not a number."""
    if isinstance(value, bool):
        raise ValueError("a boolean is not a number")
    return float(str(value))


WholeNumber = Annotated[int, BeforeValidator(_number_of)]
"""Type of an option that accepts 5, 5.0, '5' and '5.0'."""
RealNumber = Annotated[float, BeforeValidator(_number_of)]
"""Type of an option that accepts numbers and their text, such as 0.5 and '0.5'."""


def unchanged(value: Any) -> Any:
    """The value, unchanged."""
    return value


@dataclass(frozen=True)
class OptionTraits:
    """Properties of an option that pydantic does not represent."""

    effect: bool = True
    """Whether it sets the parameter with the name of its field; otherwise the description says why it has no effect."""
    toolbox_default: float | None = None
    """Default of the Orfeo ToolBox, if different."""
    convert: Callable[[Any], Any] = unchanged
    """Conversion from the option's value to the parameter's."""


def parameter(name: str, default: float, about: str, *, ge: float, le: float = inf, **traits: Any) -> Any:
    """Field of ``Params``: the option ``name`` within its limits; further arguments are those of ``OptionTraits``."""
    extra: dict[str, Any] = {"traits": OptionTraits(**traits)}
    return Field(default, alias=name, ge=ge, le=None if le == inf else le, description=about, json_schema_extra=extra)


class Params(BaseModel):
    """Options of a classifier; each field has the name of the training library's parameter that it sets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """The options in the order of the fields."""
        return tuple(Option(parameter_name, field) for parameter_name, field in cls.model_fields.items())

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Self:
        """Validated options with defaults for others; ``ValueError`` with one line per problem."""
        try:
            return cls.model_validate(dict(given))
        except ValidationError as err:
            raise ValueError(
                "\n".join(sorted(cls._problem(str(error["loc"][0]), given) for error in err.errors()))
            ) from None

    def parameters(self) -> dict[str, Any]:
        """Parameters of the training library, defaults included, in the order of the fields."""
        return {
            option.parameter_name: option.traits.convert(getattr(self, option.parameter_name))
            for option in self.options()
            if option.traits.effect
        }

    def warnings(self) -> tuple[str, ...]:
        """One sentence for each given option that has no effect."""
        given = [option for option in self.options() if option.parameter_name in self.model_fields_set]
        return tuple(sorted(f"{one.name} has no effect: {one.about}" for one in given if not one.traits.effect))

    @classmethod
    def _problem(cls, name: str, given: Mapping[str, object]) -> str:
        known = {option.name: option for option in cls.options()}
        if name in known:
            return f"{name}: expected {known[name].expected}, got {given[name]!r}"
        hint = did_you_mean(name, known) or f"; expected one of {', '.join(known)}"
        return f"{name}: unknown option{hint}"


@dataclass(frozen=True)
class Option:
    """An option of a classifier: a field of its ``Params``, for documentation and messages."""

    parameter_name: str
    """Name of the parameter of the training library, which is also the name of the field."""
    field: FieldInfo

    @property
    def name(self) -> str:
        """Name of the option in the configuration."""
        return self.field.alias or self.parameter_name

    @property
    def default(self) -> Any:
        """Default value."""
        return self.field.default

    @property
    def about(self) -> str:
        """Description, or the reason why it has no effect."""
        return self.field.description or ""

    @property
    def traits(self) -> OptionTraits:
        """Properties of the option beyond those of pydantic."""
        extra = self.field.json_schema_extra
        found = extra.get("traits") if isinstance(extra, dict) else None
        return found if isinstance(found, OptionTraits) else OptionTraits()

    @property
    def limits(self) -> tuple[float, float]:
        """Minimum and maximum."""
        bounds = {
            name: getattr(rule, name) for rule in self.field.metadata for name in ("ge", "le") if hasattr(rule, name)
        }
        return bounds.get("ge", -inf), bounds.get("le", inf)

    @property
    def expected(self) -> str:
        """Expected values, for messages."""
        low, high = self.limits
        kind = "a whole number" if self.field.annotation is int else "a number"
        return f"{kind} ≥ {low}" + ("" if high == inf else f" and ≤ {high}")


def split_text(text: str) -> dict[str, str]:
    """Options by name from a command line (``-classifier.rf.min 5 -classifier.rf.max 25``).

    Raises ``ValueError`` for a value without a name or a name without a value.
    """
    words = shlex.split(text)
    named = {name[1:]: value for name, value in pairwise(words) if _is_name(name) and not _is_name(value)}
    if 2 * len(named) != len(words):
        raise ValueError(f"options {text!r} are not pairs of a name and a value, such as -classifier.rf.max 25")
    return named


def _is_name(word: str) -> bool:
    return word.startswith("-") and word[1:2].isalpha()
