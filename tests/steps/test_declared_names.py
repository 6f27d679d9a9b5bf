"""Steps use exactly the names of inputs and outputs that they declare."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import pytest

from iota2 import layout
from iota2.chains import BUILDERS
from iota2.chains.classification import CLASSIFICATION
from iota2.core.graph import Step

Side = Literal["inp", "out"]
BY_NAME = ("each", "all", "at", "names")
"""Methods of ``Paths`` that take a name."""
FINGERPRINTS = (layout.LISTING,)
"""Inputs that are not read: they are declared so that a job runs again if they change."""


@dataclass
class Names:
    """Names of inputs or outputs that some code uses."""

    used: set[str]
    any_of: set[str]
    """Texts that may be names, for code in which the name is a variable."""


def names_in(module: ModuleType, side: Side) -> Names:
    """The names used by the module of a step, and by functions of other modules that receive its paths."""
    tree = ast.parse(inspect.getsource(module))
    tree.body = [node for node in tree.body if not _is_step(node)]
    found = _names(tree, lambda node: isinstance(node, ast.Attribute) and node.attr == side, vars(module))
    for helper in _helpers(tree, module, lambda node: isinstance(node, ast.Attribute) and node.attr == side):
        further = _used_by(helper)
        found.used |= further.used
        found.any_of |= further.any_of
    return found


def _used_by(helper: Callable[..., Any]) -> Names:
    """Names used by a function whose first parameter is the paths, and by the functions to which it passes them."""
    code = ast.parse(textwrap.dedent(inspect.getsource(helper)))
    (parameter, *_) = inspect.signature(helper).parameters

    def are_paths(node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id == parameter

    module = sys.modules[helper.__module__]
    found = _names(code, are_paths, vars(module))
    for further in _helpers(code, module, are_paths):
        names = _used_by(further)
        found.used |= names.used
        found.any_of |= names.any_of
    return found


def _is_step(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.endswith("STEP")
    )


def _helpers(tree: ast.AST, module: ModuleType, are_paths: Callable[[ast.AST], bool]) -> Iterator[Callable[..., Any]]:
    """Functions that are called with all paths of one side."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args and are_paths(node.args[0]):
            function = getattr(module, node.func.id, None)
            if inspect.isfunction(function):
                yield function


def _names(tree: ast.AST, are_paths: Callable[[ast.AST], bool], constants: Mapping[str, object]) -> Names:
    """``constants``: values of the names of the module."""
    used: set[str] = set()
    by_variable = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and are_paths(node.func.value):
            if isinstance(node.args[0], ast.Constant):
                used.add(str(node.args[0].value))
            else:
                by_variable = True
        elif isinstance(node, ast.Attribute) and are_paths(node.value) and node.attr not in BY_NAME:
            used.add(node.attr)
        elif isinstance(node, ast.Compare) and are_paths(node.comparators[0]) and isinstance(node.left, ast.Constant):
            used.add(str(node.left.value))
    values = (_value(node, constants) for node in ast.walk(tree))
    return Names(used, {value for value in values if isinstance(value, str)} if by_variable else set())


def _value(node: ast.AST, constants: Mapping[str, object]) -> object:
    """The value of a literal, or of a constant of the module."""
    if isinstance(node, ast.Constant):
        return node.value
    return constants.get(node.id) if isinstance(node, ast.Name) else None


def unused(step: Step, module: ModuleType) -> list[str]:
    """Declared names that nothing uses."""
    inp, out = names_in(module, "inp"), names_in(module, "out")
    needs = {n for n, need in step.all_needs.items() if not set(need.choices).issubset(FINGERPRINTS)}
    return sorted(needs - inp.used - inp.any_of) + sorted(set(step.makes) - out.used - out.any_of)


def undeclared(step: Step, module: ModuleType) -> list[str]:
    """Names that are used and not declared."""
    return sorted(names_in(module, "inp").used - set(step.needs)) + sorted(
        names_in(module, "out").used - set(step.makes)
    )


@pytest.mark.parametrize("step", [step for one in BUILDERS for step in one.steps], ids=lambda step: step.name)
def test_declared_names_are_used_and_used_names_are_declared(step: Step) -> None:
    module = sys.modules[step.run.__module__]
    assert unused(step, module) == []
    assert undeclared(step, module) == []


@pytest.mark.parametrize("step", [s for s in CLASSIFICATION.steps if s.name == "PixelValidity"], ids=lambda s: s.name)
def test_names_are_found_in_helpers_of_other_modules(step: Step) -> None:
    module = sys.modules[step.run.__module__]
    assert {"scene", "shifts"} <= names_in(module, "inp").used, "by a helper of another module"
    assert {"validity", "clear", "dates", "notes", "combinations"} == names_in(module, "out").used


def test_names_are_found_in_every_kind_of_access() -> None:
    tree = ast.parse("def run(job):\n    job.inp.a; job.inp.at('b', tile=1); 'c' in job.inp; job.out.each('d')")
    found = _names(tree, lambda node: isinstance(node, ast.Attribute) and node.attr == "inp", {})
    assert found.used == {"a", "b", "c"}
    assert found.any_of == set()
    tree = ast.parse("for name in ('e', F):\n    job.out.all(name)")
    found = _names(tree, lambda node: isinstance(node, ast.Attribute) and node.attr == "out", {"F": "f", "G": "g"})
    assert found.any_of == {"e", "f"}
