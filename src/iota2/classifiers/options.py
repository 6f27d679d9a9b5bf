"""Options of a classifier: names and limits for users, and the parameters of the training library that they set."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from copy import copy
from typing import Any, Self

from pydantic import ValidationError, create_model

from iota2.errors import option_name
from iota2.options import Options, about, schema_problems


class Params(Options):
    """Options of a classifier; each field has the name of the parameter that it sets, and the option's name as alias.

    A field with the status ``no effect`` sets no parameter. All fields have a default.
    """

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Self:
        """Validated options with defaults for others; ``ValueError`` with one line per problem."""
        try:
            return cls.model_validate(dict(given))
        except ValidationError as err:
            problems = [f"{option_name(path)}: {text}" if path else text for path, text in schema_problems(cls, err)]
            raise ValueError("\n".join(sorted(problems))) from None

    def parameters(self) -> dict[str, Any]:
        """Parameters of the training library, defaults included, in the order of the fields."""
        fields = type(self).model_fields
        return {name: getattr(self, name) for name, field in fields.items() if about(field).status != "no effect"}

    def warnings(self) -> tuple[str, ...]:
        """One sentence for each given option that has no effect."""
        fields = type(self).model_fields
        no_effect = [fields[name] for name in self.model_fields_set if about(fields[name]).status == "no effect"]
        return tuple(sorted(f"{field.alias} has no effect: {about(field).reason}" for field in no_effect))

    @classmethod
    def renamed(cls, old: str, new: str) -> type[Params]:
        """The same options as ``classifier.<new>.…`` instead of ``classifier.<old>.…``."""
        fields: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            changed, alias = copy(field), (field.alias or name).replace(f".{old}.", f".{new}.")
            changed.alias = changed.validation_alias = changed.serialization_alias = alias
            fields[name] = field.annotation, changed
        return create_model(f"{cls.__name__}_{new}", __base__=Params, __doc__=f"Options of ``{new}``.", **fields)

    @classmethod
    def option_names(cls) -> dict[str, str]:
        """Name of the option of each parameter."""
        return {name: field.alias or name for name, field in cls.model_fields.items()}


def split_text(text: str) -> dict[str, str]:
    """Options by name from a command line (``-classifier.rf.min 5 -classifier.rf.max 25``).

    Several values of a name are one text, separated by blanks. Raises ``ValueError`` for a value without a name or a
    name without a value.
    """
    named: dict[str, list[str]] = {}
    found: list[str] | None = None
    for word in shlex.split(text):
        if _is_name(word):
            found = named[word[1:]] = []
        elif found is None:
            raise ValueError(f"options {text!r} do not start with a name, such as in -classifier.rf.max 25")
        else:
            found.append(word)
    if empty := [name for name, values in named.items() if not values]:
        raise ValueError(f"options {text!r} have no value for {empty[0]}; write it as in -classifier.rf.max 25")
    return {name: " ".join(values) for name, values in named.items()}


def _is_name(word: str) -> bool:
    return word.startswith("-") and word[1:2].isalpha()
