"""The page on the steps of the chain."""

from __future__ import annotations

from collections.abc import Iterable

from generators.markdown import GENERATED, code, sentence, table
from iota2.chains import BUILDERS, SURVEY
from iota2.core.builder import Builder
from iota2.core.graph import AXES, Artifact, Step

HEAD = f"""{GENERATED}

# Steps

The chains are defined in `src/iota2/chains`, one file for each builder. The number of a step depends only on the
builders of the configuration. `-starting_step` and `-ending_step` of `Iota2.py`, and `--first-step` and `--last-step`
of `iota2`, accept the number or the name of a step, or a group; if a group and a step have the same name, the group is
selected. If the selected step is not active, the run begins with the next active one, or ends with the previous one,
and a note says so. A new version may insert steps: names are more stable than numbers. `first_step` and `last_step` of
the configuration accept the same groups. The logs of a step are in `logs/<name>`, with two files for each job.
"""
SURVEY_HEAD = """## Before the first step

At every start of a run the survey scans the headers of the archive. It writes these files; jobs read them
instead of listing folders.
"""


def steps_page() -> str:
    """A table of the steps of each builder, then the parameters, inputs and outputs of each step."""
    found = table(("file", "content"), [(code(artifact.path), artifact.about) for artifact in SURVEY])
    numbered = {step.name: (number, step) for one in BUILDERS for number, step in enumerate(one.steps, start=1)}
    steps = [_step(number, step) for number, step in numbered.values()]
    return "\n".join([HEAD, *map(_builder, BUILDERS), f"{SURVEY_HEAD}\n{found}", *steps])


def _builder(builder: Builder) -> str:
    """A table of the steps of a builder."""
    rows = [
        (str(number), step.group, f"[{step.name}](#{step.name.lower()})", code(step.task), _over(step), step.about)
        for number, step in enumerate(builder.steps, start=1)
    ]
    head = ("#", "group", "step and log folder", "name of a job", "one job for each", "description")
    return f"## {builder.name}\n\n{builder.about}\n\n{table(head, rows)}"


def _over(step: Step) -> str:
    return " × ".join(step.over) or "run"


def _step(number: int, step: Step) -> str:
    about = sentence(step.params.__doc__)
    parameters = (
        about if about.startswith("Parameters of") else f"Parameters: {about[:1].lower()}{about[1:] or 'none.'}"
    )
    parts = [
        f"## {step.name}\n",
        f"Step {number}, group {step.group}, one job for each {_over(step)}. {sentence(step.run.__doc__)}\n",
        f"{parameters}\n",
        _artifacts(step, "reads", ((name, a) for name, need in step.all_needs.items() for a in need.choices)),
        _artifacts(step, "makes", step.makes.items()),
    ]
    return "\n".join(parts)


def _artifacts(step: Step, verb: str, artifacts: Iterable[tuple[str, Artifact]]) -> str:
    rows = [(code(name), code(a.path), _number(step, a), a.about) for name, a in artifacts]
    return table((verb, "file", "number", "content"), rows)


def _number(step: Step, artifact: Artifact) -> str:
    """Number of files of an artifact for a job: one for each combination of the axes that the step does not have."""
    free = [axis for axis in AXES if axis in artifact.axes and axis not in step.over]
    return f"one per {' × '.join(free)}" if free else "one"
