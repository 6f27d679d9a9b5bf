"""The page on the Python interface, from the signatures and docstrings of the public functions of ``iota2``."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import cached_property

import iota2
from generators.markdown import GENERATED, code, sentence, table
from iota2 import errors
from iota2.api.features import Features
from iota2.api.models import LoadedModel, ModelClass
from iota2.api.scenes import OpenedScene, SceneCube
from iota2.classifiers.base import ModelError
from iota2.config.options.schema import Config
from iota2.core.recipe import FeatureRecipe

HEAD = f"""{GENERATED}

# Python interface

`import iota2` provides these functions; each is imported on first use. [Use iota2 from
Python](../howto/use-from-python.md) shows examples, the [notebook](../notebook.ipynb) an example with a plot.
"""
QUOTE = "'"
CLASSES = (Config, OpenedScene, SceneCube, FeatureRecipe, Features, LoadedModel, ModelClass)
"""Classes of the functions' results, in the order of use."""
ERRORS = (
    errors.UserError,
    errors.ConfigError,
    errors.InputError,
    errors.MissingTile,
    errors.DamagedProduct,
    errors.FeatureMismatch,
    ModelError,
    errors.JobsFailed,
)


def api_page() -> str:
    """Every public function, the classes of their results, and the errors."""
    functions = {name: getattr(iota2, name) for name in iota2.PUBLIC}
    summary = [(f"[`{name}`](#{name})", sentence(function.__doc__)) for name, function in functions.items()]
    parts = [HEAD, table(("function", "description"), summary)]
    parts += [
        f"## {name}\n\n{_entry(f'iota2.{name}', inspect.signature(function), function.__doc__)}"
        for name, function in functions.items()
    ]
    parts += [_class(cls) for cls in CLASSES]
    return "\n".join([*parts, _errors()])


def _entry(name: str, signature: inspect.Signature, docstring: str | None) -> str:
    """Signature and docstring of a function."""
    return f"```text\n{_folded(f'{name}{signature}'.replace(QUOTE, ''))}\n```\n\n{_text(docstring)}\n"


def _method(cls: type, method: Callable[..., object]) -> str:
    """Signature without ``self``, and docstring, of a method."""
    signature = inspect.signature(method)
    without_self = signature.replace(parameters=list(signature.parameters.values())[1:])
    return _entry(f"{cls.__name__}.{method.__name__}", without_self, method.__doc__)


def _folded(signature: str) -> str:
    """A signature, with one parameter per line if it is long."""
    if len(signature) <= 100:
        return signature
    head, _, rest = signature.partition("(")
    inside, _, returned = rest.rpartition(") ->")
    parameters = "".join(f"    {parameter},\n" for parameter in inside.split(", "))
    return f"{head}(\n{parameters}) ->{returned}"


def _class(cls: type) -> str:
    """A class with its fields, properties and methods. Fields without documentation are internal and omitted."""
    rows = [(code(name), code(kind), about) for name, kind, about in (*_fields(cls), *_properties(cls))]
    public = [found for name, found in vars(cls).items() if not name.startswith("_")]
    methods = [_method(cls, found) for found in public if inspect.isfunction(found)]
    return "\n".join(
        [f"## {cls.__name__}\n\n{_text(cls.__doc__)}\n", table(("value", "type", "content"), rows), *methods]
    )


def _fields(cls: type) -> Iterator[tuple[str, str, str]]:
    """Name, type and documentation of each field of a dataclass. The documentation is the string after the field."""
    assert is_dataclass(cls)
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    for item, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            docstring = after.value if isinstance(after, ast.Expr) else None
            is_text = isinstance(docstring, ast.Constant) and isinstance(docstring.value, str)
            about = docstring.value if is_text else ""
            if about:
                yield item.target.id, ast.unparse(item.annotation), sentence(about)


def _properties(cls: type) -> Iterator[tuple[str, str, str]]:
    for name, found in vars(cls).items():
        getter = found.func if isinstance(found, cached_property) else getattr(found, "fget", None)
        if getter is not None:
            yield name, str(inspect.signature(getter).return_annotation), sentence(found.__doc__)


def _errors() -> str:
    rows = [(code(f"{error.__module__}.{error.__name__}"), sentence(error.__doc__)) for error in ERRORS]
    return f"## Errors\n\n{table(('error', 'meaning'), rows)}"


def _text(docstring: str | None) -> str:
    return inspect.cleandoc(docstring or "").replace("``", "`")
