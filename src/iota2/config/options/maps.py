"""The options of classification, and of the fusion of runs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator

from iota2.compute.label_fusion import Measure
from iota2.compute.regularise import MAX_UNIT_PIXELS
from iota2.compute.smoothing import DEFAULT_SMOOTHNESS, MAX_WINDOW
from iota2.config.fusion_options import DEFAULT_FUSION, FusionMethod, FusionOptions, read_fusion_options
from iota2.config.options.fields import Section, read_none, require_odd
from iota2.core.nomenclature import MAX_CODE
from iota2.options import About, option

Smoothness = Annotated[float, Field(ge=0, le=1e6)]
UncertaintyLayer = Literal["entropy", "margin", "likely_classes"]
MAX_BLENDING_METRES = 100_000
"""Maximum width of the blending at borders of regions."""
MIN_EPSILON = 0.001
"""Minimum weight of a model above 0: weights are stored in thousandths."""
BufferMetres = Annotated[float, Field(gt=0, le=MAX_BLENDING_METRES)]


class ArgClassification(Section):
    """Classification of pixels, and its outputs."""

    section_name: ClassVar[str] = "arg_classification"
    about_section: ClassVar[str] = "Classification of pixels, and its outputs."
    builders: ClassVar[str] = "C O"

    classif_mode: Literal["separate", "fusion"] = option(
        "separate",
        "`separate`: one model for each region. `fusion`: several models for each region with much learning area (see "
        "`arg_train.mode_outside_regionsplit`), whose results are combined by `fusion_options`.",
    )
    enable_probability_map: bool = option(False, "Write the probability of every class.")
    generate_final_probability_map: bool = option(
        True,
        "Write the mosaic of the probabilities to `final` if `enable_probability_map` is True. It is always written if "
        "`multi_run_fusion.merge_run_method` is `mean`.",
    )
    calibration: Literal["auto", "none", "temperature", "isotonic"] = option(
        "auto",
        "Calibration of the probabilities, so that a confidence of 80 % means that 80 % of such pixels are correct. "
        "Labels do not change. `temperature` and `isotonic` are methods, `auto` uses the better one unless it makes "
        "probabilities worse. Fitted by cross-validation on polygons, which trains four further models for each; with "
        "less than 50 polygons or 10 by class, or with `none`, probabilities are those of the classifier.",
    )
    missing_sensors: Literal["models", "mask"] = option(
        "models",
        "Pixels without clear observation of one of several sensors: `models` predicts them by further models, trained "
        "on the features of the other sensors; `mask` gives them no label, and so does a context of pixels. "
        "`chain.allow_missing_sensor` has precedence.",
        about=About(builders="C O R"),
    )
    missing_sensors_share: float = option(
        0.001,
        "Smallest share of the pixels of its tiles, 0 to 1, for which a combination of sensors gets its own model "
        "(with `missing_sensors: models`). A rarer combination uses the model of some of its sensors.",
        ge=0.0,
        le=1.0,
        about=About(builders="C O R"),
    )
    enable_boundary_fusion: bool = option(
        False,
        "Blend the class probabilities of the models of neighbouring regions near their borders, so that classes do "
        "not change abruptly there. The weight of a model decreases linearly from "
        "`boundary_interior_buffer_size` inside its region to `boundary_exterior_buffer_size` outside.",
        about=About(builders="C O R"),
    )
    boundary_interior_buffer_size: int = option(
        0,
        "Distance from the border, inside a region, up to which models are blended, in metres.",
        ge=0,
        le=MAX_BLENDING_METRES,
        about=About(builders="C O R"),
    )
    boundary_exterior_buffer_size: int = option(
        0,
        "Distance from the border, outside a region, up to which its model is used, in metres.",
        ge=0,
        le=MAX_BLENDING_METRES,
        about=About(builders="C O R"),
    )
    boundary_fusion_epsilon: float = option(
        0.0,
        f"Minimum weight of a model that is used: 0, or at least {MIN_EPSILON}.",
        ge=0,
        le=1,
        about=About(builders="C O R"),
    )
    boundary_comparison_mode: bool = option(
        False,
        "Also write the map without blending, and report the accuracy of both maps within the distances "
        "`boundary_buffer` of borders.",
    )
    boundary_buffer: tuple[BufferMetres, ...] | None = option(
        None,
        "Distances from borders of regions in metres for `boundary_comparison_mode`; both sides of a border count.",
    )
    no_label_management: Literal["maxConfidence", "learningPriority"] = option(
        "maxConfidence",
        "Label of pixels on which the models of a region do not agree (`classif_mode: fusion`): that of the model with "
        "the greatest confidence, or of the first model.",
    )
    fusion_options: str = option(
        DEFAULT_FUSION,
        "Fusion of the models of a region (`classif_mode: fusion`): `majorityvoting`, `dempstershafer` or `mean` (of "
        "probabilities), as a word or as in `-nodatalabel 0 -method dempstershafer -method.dempstershafer.mob "
        "precision`. With `arg_train.dempster_shafer_sar_opt_fusion`: `mean`, or the measure of Dempster-Shafer.",
    )
    smoothing: Literal["none", "bayesian", "majority"] = option(
        "none",
        "Smoothing of the map in a moving window: `bayesian` combines the probabilities of each pixel with those of "
        "its neighbours, `majority` takes the most frequent label.",
    )
    smoothing_window: int = option(9, "Side of the window of `smoothing`, in pixels, odd.", ge=3, le=MAX_WINDOW)
    smoothing_fraction: float = option(
        0.5,
        "Share of the neighbours that Bayesian smoothing uses for each class: those with the highest probability.",
        gt=0,
        le=1,
    )
    smoothness: Smoothness | dict[str, Smoothness] = option(
        DEFAULT_SMOOTHNESS,
        "Strength of Bayesian smoothing: variance (of logits) at which the neighbours weigh as much as the pixel. A "
        "dictionary has a value for each label, and other classes have 20. With 0, a class is not smoothed.",
        about=About(form="a number ≥ 0, or a dictionary of labels and numbers"),
    )
    uncertainty_layers: tuple[UncertaintyLayer, ...] = option(
        (),
        "Additional maps: `entropy` of the probabilities, `margin` between the two highest ones, and `likely_classes`, "
        "the smallest set of classes whose probabilities add up to `likely_classes_share`.",
    )
    likely_classes_share: float = option(0.9, "Probability of the set of likely classes.", gt=0, le=1)
    minimum_mapping_unit: int | None = option(
        None,
        "Also write a map without patches of fewer than this number of pixels. None: no such map.",
        ge=2,
        le=MAX_UNIT_PIXELS,
    )

    @property
    def fusion(self) -> FusionOptions:
        """The parsed ``fusion_options``."""
        return read_fusion_options(self.fusion_options)

    @field_validator("fusion_options", mode="before")
    @classmethod
    def _readable_fusion(cls, given: Any) -> Any:
        """Replace None, in every spelling, by the default, and reject unknown words."""
        if given is None or (isinstance(given, str) and given.strip().lower() in ("", "none")):
            return DEFAULT_FUSION
        if isinstance(given, str):
            read_fusion_options(given)
        return given

    @field_validator("boundary_fusion_epsilon")
    @classmethod
    def _storable(cls, given: float) -> float:
        """Reject weights that would be stored as 0."""
        if 0 < given < MIN_EPSILON:
            raise ValueError(f"expected 0 or a number from {MIN_EPSILON}: weights are stored in thousandths")
        return given

    @property
    def writes_probabilities(self) -> bool:
        """Whether probabilities of tiles are written, as a product or for later steps."""
        return self.enable_probability_map or self.smoothing == "bayesian" or bool(self.uncertainty_layers)

    @field_validator("smoothness")
    @classmethod
    def _sorted_smoothness(cls, given: Any) -> Any:
        """Sort the values by label; a dictionary without values means the default."""
        return dict(sorted(given.items())) or DEFAULT_SMOOTHNESS if isinstance(given, dict) else given

    @field_validator("uncertainty_layers")
    @classmethod
    def _layers_in_order(cls, given: tuple[UncertaintyLayer, ...]) -> tuple[UncertaintyLayer, ...]:
        """Each layer once, in a fixed order."""
        return tuple(layer for layer in get_args(UncertaintyLayer) if layer in given)

    _none_is_a_value = field_validator("calibration", "smoothing", mode="before")(read_none)
    _centred_window = field_validator("smoothing_window")(require_odd)


class MultiRunFusion(Section):
    """Fusion of the maps of several runs."""

    section_name: ClassVar[str] = "multi_run_fusion"
    about_section: ClassVar[str] = "Fusion of the maps of several runs."
    builders: ClassVar[str] = "C O"

    merge_run: bool = option(
        False,
        "Fuse the maps of all runs into one, and validate it on polygons that no run uses: "
        "[how to](../howto/fusion-of-runs.md).",
    )
    merge_run_method: FusionMethod = option(
        "majorityvoting",
        "Method of the fusion: most votes; maximum belief by the rule of Dempster and Shafer; highest mean probability "
        "of the runs. The last one also writes a confidence.",
    )
    merge_run_undecidedlabel: int = option(
        255,
        "Label of pixels that the votes or beliefs of the runs do not decide. It must not be the code of a class. Not "
        "used by the method `mean`.",
        ge=1,
        le=MAX_CODE,
    )
    merge_run_ratio: float = option(
        0.1,
        "Share of the polygons of each class and region that are reserved to validate the fusion: no run uses them for "
        "learning or validation.",
        gt=0,
        lt=1,
    )
    dempstershafer_mob: Measure = option(
        "precision",
        "Accuracy measure, from the confusion matrix of a run, that is used as its mass (method `dempstershafer`). "
        "`precision` and `recall` are those of the class.",
    )
    keep_runs_results: bool = option(True, "Write the report on the accuracy of the runs to `final/RESULTS_seeds.txt`.")
    fusion_of_classification_all_samples_validation: bool = option(
        False,
        "Validate the fusion on all polygons, and reserve none. The runs have learned from most of these polygons, so "
        "its accuracy is optimistic.",
    )

    @property
    def reserved_share(self) -> float | None:
        """Share of the polygons that are reserved for the fusion; None if none are."""
        if self.merge_run and not self.fusion_of_classification_all_samples_validation:
            return self.merge_run_ratio
        return None

    @property
    def averages(self) -> bool:
        """Whether the probabilities of the runs are averaged."""
        return self.merge_run and self.merge_run_method == "mean"

    @property
    def undecided_label(self) -> int | None:
        """Label of undecided pixels; None if the method decides all pixels."""
        return None if self.merge_run_method == "mean" else self.merge_run_undecidedlabel

    @property
    def measure(self) -> Measure | None:
        """Accuracy measure that is the mass of a run; None if the method has no masses."""
        return self.dempstershafer_mob if self.merge_run_method == "dempstershafer" else None
