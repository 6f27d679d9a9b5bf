"""Options of a classifier as a pydantic model: user names, limits, and parameters of the training library."""

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
    """Number from a number or its text; ``ValueError`` for booleans and other texts."""
    if isinstance(value, bool):
        raise ValueError("a boolean is not a number")
    return float(str(value))


WholeNumber = Annotated[int, BeforeValidator(_number_of)]
"""Type of an option that accepts 5, 5.0, '5' and '5.0'."""
RealNumber = Annotated[float, BeforeValidator(_number_of)]
"""Type of an option that accepts numbers and their texts."""


def as_given(value: Any) -> Any:
    """The value itself."""
    return value


@dataclass(frozen=True)
class Meaning:
    """Properties of an option that pydantic does not represent."""

    effect: bool = True
    """Whether it sets the parameter with the name of its field; otherwise the description says why it has no effect."""
    origin_default: float | None = None
    """Default of the toolbox that defined the option, if different."""
    convert: Callable[[Any], Any] = as_given
    """Conversion from the option's value to the parameter's."""


def parameter(name: str, default: float, about: str, *, ge: float, le: float = inf, **meaning: Any) -> Any:
    """Field of ``Params``: the option ``name`` within its limits; further arguments are those of ``Meaning``."""
    meant: dict[str, Any] = {"meaning": Meaning(**meaning)}
    return Field(default, alias=name, ge=ge, le=None if le == inf else le, description=about, json_schema_extra=meant)


class Params(BaseModel):
    """Options of a classifier; each field has the name of the training library's parameter that it sets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """The options in the order of the fields."""
        return tuple(Option(becomes, field) for becomes, field in cls.model_fields.items())

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Self:
        """Given options, others at their defaults; ``ValueError`` with one line per problem."""
        try:
            return cls.model_validate(dict(given))
        except ValidationError as err:
            raise ValueError(
                "\n".join(sorted(cls._problem(str(error["loc"][0]), given) for error in err.errors()))
            ) from None

    def parameters(self) -> dict[str, Any]:
        """Parameters of the training library, defaults included, in the order of the fields."""
        return {
            option.becomes: option.meaning.convert(getattr(self, option.becomes))
            for option in self.options()
            if option.meaning.effect
        }

    def warnings(self) -> tuple[str, ...]:
        """One sentence for each given option that has no effect."""
        ignored = [one for one in self.options() if one.becomes in self.model_fields_set and not one.meaning.effect]
        return tuple(sorted(f"{option.name} has no effect: {option.about}" for option in ignored))

    @classmethod
    def _problem(cls, name: str, given: Mapping[str, object]) -> str:
        known = {option.name: option for option in cls.options()}
        if name in known:
            return f"{name}: expected {known[name].expected}, got {given[name]!r}"
        hint = did_you_mean(name, known) or f"; expected one of {', '.join(known)}"
        return f"{name}: unknown option{hint}"


@dataclass(frozen=True)
class Option:
    """Field of ``Params`` as shown in documentation and messages."""

    becomes: str
    """Parameter of the training library: the name of the field."""
    field: FieldInfo

    @property
    def name(self) -> str:
        """Name of the option in the configuration."""
        return self.field.alias or self.becomes

    @property
    def default(self) -> Any:
        """Default value."""
        return self.field.default

    @property
    def about(self) -> str:
        """Description, or the reason why it has no effect."""
        return self.field.description or ""

    @property
    def meaning(self) -> Meaning:
        """Properties of the option beyond those of pydantic."""
        extra = self.field.json_schema_extra
        found = extra.get("meaning") if isinstance(extra, dict) else None
        return found if isinstance(found, Meaning) else Meaning()

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
        raise ValueError(f"options {text!r} are not pairs of a name and a value, like -classifier.rf.max 25")
    return named


def _is_name(word: str) -> bool:
    return word.startswith("-") and word[1:2].isalpha()
