"""Every step belongs to a builder and is called by a test in this folder."""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import iota2.steps
from iota2.chains.lookup import BUILDERS
from iota2.core.graph import Step

ENTRIES = ("STEP", "run")
"""Names of a step module that tests use to call the step."""


def steps() -> dict[str, Step]:
    """The steps by module name."""
    names = [found.name for found in pkgutil.walk_packages(iota2.steps.__path__, "iota2.steps.")]
    modules = {name: import_module(name) for name in names}
    return {name: module.STEP for name, module in modules.items() if hasattr(module, "STEP")}


def called(source: str) -> Iterator[str]:
    """Modules whose step the code uses: by ``module.STEP``, ``module.run``, or an import of one of these names."""
    tree = ast.parse(source)
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("iota2.steps"):
            for alias in node.names:
                imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                if alias.name in ENTRIES:
                    yield str(node.module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in ENTRIES:
            yield imported.get(node.value.id, "")


CALLED = {name for path in Path(__file__).parent.glob("test_*.py") for name in called(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("module", steps())
def test_the_step_is_called_by_a_test(module: str) -> None:
    assert module in CALLED


def test_all_steps_belong_to_a_builder() -> None:
    built = {id(step) for builder in BUILDERS for step in builder.steps}
    assert {name for name, step in steps().items() if id(step) not in built} == set()


def test_only_uses_of_a_step_count_as_calls() -> None:
    assert [*called("from iota2.steps.prepare import recipe\nrecipe.params(1)")] == []
    assert [*called("from iota2.steps.prepare import recipe as r\nr.run(1)")] == ["iota2.steps.prepare.recipe"]
    assert [*called("from iota2.steps.prepare.recipe import STEP")] == ["iota2.steps.prepare.recipe"]
