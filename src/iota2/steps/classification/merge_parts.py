"""Step: merge of the strips of one tile, for one model."""

from __future__ import annotations

from collections.abc import Sequence

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, JobFacts
from iota2.core.graph import Artifact, JobContext, Step, only_for
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.classes import read_classes
from iota2.steps.blocks import WRITING_THREADS
from iota2.steps.profiles import choice_profile, confidence_profile, label_profile, probability_profile
from iota2.steps.strips import join_strips


def run(job: JobContext) -> None:
    """Write the tile's labels, confidence and probabilities from its strips, and which model gave the labels."""
    geobox, classes = read_scene(job.inp.scene).geobox, read_classes(job.inp.classes)
    profiles = {
        "labels": label_profile(geobox, classes),
        "confidence": confidence_profile(geobox),
        "probabilities": probability_profile(geobox, classes),
        "choice": choice_profile(geobox),
    }
    for name, profile in profiles.items():
        for path in job.out.all(name).values() if name in job.out else ():
            join_strips(job.inp.all(name).values(), path, profile, job.use)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: labels, confidence and, if requested, probabilities of one model are written."""
    run = facts.run
    probabilities = 2 * run.class_count if layout.with_probabilities(config) else 0
    return facts.raster_cost(run.label_bytes + 4 + probabilities)


def _step(
    name: str,
    about: str,
    *,
    over: tuple[str, ...],
    task: str,
    parts: Sequence[Artifact],
    whole: Sequence[Artifact],
) -> Step:
    """A step that merges the strips of one kind of maps, given as labels, confidence, probabilities and choice."""
    names = ("labels", "confidence", "probabilities", "choice")[: len(parts)]
    return Step(
        name=name,
        group="classification",
        about=about,
        task=task,
        run=run,
        over=over,
        needs={
            "scene": layout.SCENE,
            "classes": layout.CODES,
            **{kind: only_for(whole[k], parts[k]) for k, kind in enumerate(names)},
        },
        makes=dict(zip(names, whole, strict=True)),
        when=whole[0].when,
        cost=cost,
        leaves_gap=True,
        max_threads=WRITING_THREADS,
    )


STEP = _step(
    "classificationMerge",
    "Assemble the strips of each tile.",
    over=("tile", "region", "submodel", "seed", "source"),
    task="classification_{tile}_model_{region}{submodel}_seed_{seed}{source}",
    parts=(layout.PART_LABELS, layout.PART_CONFIDENCE, layout.PART_PROBABILITIES),
    whole=(layout.LABELS, layout.CONFIDENCE, layout.PROBABILITIES),
)
FUSION_STEP = _step(
    "fusionMerge",
    "Assemble the strips of the maps of all models of a region (with `classif_mode: fusion`).",
    over=("tile", "region", "seed"),
    task="fusion_{tile}_model_{region}_seed_{seed}",
    parts=(layout.PART_FUSED_LABELS, layout.PART_FUSED_CONFIDENCE, layout.PART_FUSED_PROBABILITIES),
    whole=(layout.FUSED_LABELS, layout.FUSED_CONFIDENCE, layout.FUSED_PROBABILITIES),
)
SAR_STEP = _step(
    "sarOptFusionMerge",
    "Assemble the strips of the maps of optical and radar models (with `dempster_shafer_sar_opt_fusion`).",
    over=("tile", "region", "seed"),
    task="sar_opt_fusion_{tile}_model_{region}_seed_{seed}",
    parts=(layout.PART_DS_LABELS, layout.PART_DS_CONFIDENCE, layout.PART_DS_PROBABILITIES, layout.PART_DS_CHOICE),
    whole=(layout.DS_LABELS, layout.DS_CONFIDENCE, layout.DS_PROBABILITIES, layout.DS_CHOICE),
)
BLENDING_STEP = _step(
    "boundaryFusionMerge",
    "Assemble the strips of the maps that are blended at borders of regions (with `enable_boundary_fusion`).",
    over=("tile", "seed"),
    task="boundary_fusion_{tile}_seed_{seed}",
    parts=(layout.PART_BLENDED_LABELS, layout.PART_BLENDED_CONFIDENCE, layout.PART_BLENDED_PROBABILITIES),
    whole=(layout.BLENDED_LABELS, layout.BLENDED_CONFIDENCE, layout.BLENDED_PROBABILITIES),
)
