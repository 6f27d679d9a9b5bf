"""Step: figure of the confusion matrix of one seed."""

from __future__ import annotations

from iota2 import layout
from iota2.compute.accuracy import scores
from iota2.core.graph import JobContext, Step
from iota2.io.files.atomic import replacing
from iota2.io.tables.classes import read_classes
from iota2.io.tables.confusions import read_confusion
from iota2.steps.drawing import figures_module


def run(job: JobContext) -> None:
    """Draw the confusion matrix; the job needs no map, so that it can run while the mosaic is made."""
    confusion = read_confusion(job.inp.confusion)
    with replacing(job.out.figure) as part:
        figures_module().confusion_figure(confusion, scores(confusion), read_classes(job.inp.classes), part)


STEP = Step(
    name="confusionFigure",
    group="validation",
    about="Draw the confusion matrix.",
    task="confusion_figure_seed_{seed}",
    run=run,
    over=("seed",),
    needs={"confusion": layout.CONFUSION, "classes": layout.CLASSES},
    makes={"figure": layout.CONFUSION_FIGURE},
)
