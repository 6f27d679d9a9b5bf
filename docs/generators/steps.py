"""The page about the steps of the chain."""

from __future__ import annotations

from collections.abc import Iterable

from generators.markdown import MADE, code, sentence, table
from iota2.chains import SURVEY
from iota2.chains.classification import CLASSIFICATION
from iota2.core.graph import AXES, Artifact, Step

HEAD = f"""{MADE}

# Steps

The chain is a tuple of steps, in `src/iota2/chains/classification.py`. The number of a step does not depend on the
configuration. `-starting_step` and `-ending_step` of `Iota2.py`, and `--first-step` and `--last-step` of
`iota2`, take the number or the name of a step, or a group; if a group and a step have the same name, the group
is selected. If the selected step is not active, the run begins with the next active one, or ends with the previous
one, and a note says so. A new version may insert steps: names are more stable than numbers. `first_step` and
`last_step` of the configuration take the same groups. The logs of a step are in `logs/<name>`, two files for each job.
"""
SURVEYED = """## Before the first step

At every start the survey scans the headers of the archive. It writes these files, and jobs read them
instead of listing folders.
"""


def steps_page() -> str:
    """All steps in one table, then each with what it reads and makes."""
    rows = [
        (str(number), step.group, f"[{step.name}](#{step.name.lower()})", code(step.task), _over(step), step.about)
        for number, step in enumerate(CLASSIFICATION.steps, start=1)
    ]
    head = ("#", "group", "step and log folder", "name of a job", "one job for each", "description")
    found = table(("file", "content"), [(code(artifact.path), artifact.about) for artifact in SURVEY])
    steps = [_step(number, step) for number, step in enumerate(CLASSIFICATION.steps, start=1)]
    return "\n".join([HEAD, table(head, rows), f"{SURVEYED}\n{found}", *steps])


def _over(step: Step) -> str:
    return " × ".join(step.over) or "run"


def _step(number: int, step: Step) -> str:
    seen = sentence(step.params.__doc__)
    parts = [
        f"## {step.name}\n",
        f"Step {number}, group {step.group}, one job for each {_over(step)}. {sentence(step.run.__doc__)}\n",
        f"Parameters: {seen[:1].lower()}{seen[1:]}\n" if seen else "Parameters: none.\n",
        _artifacts(step, "reads", ((name, a) for name, need in step.all_needs.items() for a in need.choices)),
        _artifacts(step, "makes", step.makes.items()),
    ]
    return "\n".join(parts)


def _artifacts(step: Step, verb: str, artifacts: Iterable[tuple[str, Artifact]]) -> str:
    rows = [(code(name), code(a.path), _free(step, a), a.about) for name, a in artifacts]
    return table((verb, "file", "number", "content"), rows)


def _free(step: Step, artifact: Artifact) -> str:
    """Axes of the artifact that the job does not fix: it has one file for each of their values."""
    free = [axis for axis in AXES if axis in artifact.axes and axis not in step.over]
    return f"one per {' × '.join(free)}" if free else "one"
