"""The page on the two commands and their exit codes."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable
from unittest.mock import patch

import typer

from generators.markdown import GENERATED, code, table
from iota2 import cli, errors
from iota2.chains import BUILDERS
from iota2.core.builder import GROUPS

HEAD = f"""{GENERATED}

# Commands

## iota2

Commands never prompt for input.
"""


def commands_page() -> str:
    """Every command with its help, the legacy command, and exit codes."""
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    parts = [HEAD, _printed(lambda: cli.app(["--help"], prog_name="iota2"))]
    for name in commands:
        text = _printed(lambda name=name: cli.app([name, "--help"], prog_name="iota2"))  # type: ignore[misc]
        parts.append(f"### iota2 {name}\n\n{text}")
    return "\n".join([*parts, _groups(), _legacy(), _exit_codes()])


def _printed(show: Callable[[], object]) -> str:
    """The help of a command as a text block."""
    text = io.StringIO()
    wide = patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    with wide, contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        show()
    return f"```text\n{text.getvalue().strip()}\n```\n"


def _groups() -> str:
    active = {step.group for builder in BUILDERS for step in builder.steps}
    named = ", ".join(code(group) for group in GROUPS if group in active)
    return (
        f"Groups that contain steps: {named}. With `--first-step`, the outputs of earlier groups must exist; "
        "otherwise the run stops before any job and names the missing files.\n"
    )


def _legacy() -> str:
    """The section on ``Iota2.py`` with its help."""
    return (
        "## Iota2.py\n\nThe command of the original iota2; its options have the same meaning.\n\n"
        f"{_printed(lambda: cli.legacy(['-h']))}"
    )


def _exit_codes() -> str:
    meanings = {
        "EXIT_DONE": "success",
        "EXIT_USER": "a user error: configuration, inputs, output folder",
        "EXIT_JOBS_FAILED": "some jobs failed; jobs that do not depend on them are done",
        "EXIT_DEFECT": "a defect of the program",
        "EXIT_INTERRUPTED": "interrupted with Ctrl-C",
    }
    known = {name: value for name, value in vars(errors).items() if re.match(r"EXIT_[A-Z_]+$", name)}
    rows = [(str(value), meanings[name]) for name, value in sorted(known.items(), key=lambda item: item[1])]
    tree = (errors.__doc__ or "").split("\n\n")[1]
    return f"## Exit codes\n\n{table(('code', 'meaning'), rows)}\nExceptions of the code:\n\n```text\n{tree}\n```\n"
