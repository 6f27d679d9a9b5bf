"""The options of learning."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from iota2.classifiers.context import MAX_CONTEXT_WINDOW
from iota2.classifiers.registry import selectable_names
from iota2.classifiers.scikit.options import ScikitParams
from iota2.classifiers.superpixel_context import MAX_ITERATIONS
from iota2.compute.augmentation import DEFAULT_FACTOR, DEFAULT_NEIGHBOURS, Method, Wanted
from iota2.compute.class_weights import Balanced
from iota2.compute.indices import INDICES
from iota2.compute.superpixels import SlicOptions
from iota2.config.options.fields import AnyPath, InputFile, Section, Words, read_none, require_odd
from iota2.core.recipe import DEFAULT_INDICES, TEMPORAL_FEATURES
from iota2.core.reduction import ReductionMode
from iota2.options import About, OneOf, Options, no_effect, no_effect_without, option, planned, same_as

SUPERPIXELS = SlicOptions()
"""Size and shape of superpixels for auto-context."""
_OTHER_CLASSIFIERS = ("sharkkm",)
Classifier = Annotated[str, OneOf(lambda: (*selectable_names(), *_OTHER_CLASSIFIERS))]
Index = Annotated[str, OneOf(lambda: (*INDICES,))]
TemporalFeature = Annotated[str, OneOf(lambda: TEMPORAL_FEATURES)]
Weight = Annotated[float, Field(gt=0, le=1e9)]
_NO_TERRAIN = "pixels are selected on the grid of the images, without an elevation model"

MAX_RUNS = 200
"""Maximum number of random splits. Each has a field in the reference shapefile, and a shapefile has at most 255
fields."""
MAX_SAMPLES = 2**31 - 1
"""Maximum value of options that limit numbers of pixels."""
MAX_COMPONENTS = 10_000
"""Maximum number of components of a group of features."""
RESERVED_SELECTION_KEYS = ("in", "mask", "vec", "out", "instats", "field", "layer", "rand", "inxml", "outrates")
"""Keys of the pixel selection that iota2 sets itself."""

_STRATEGY_PARAMETER = {
    "percent": "strategy.percent.p",
    "constant": "strategy.constant.nb",
    "total": "strategy.total.v",
    "byclass": "strategy.byclass.in",
}


def whole_region(region: str) -> str:
    """The region of a sub-region ``<region>f<k>``; other names unchanged."""
    return re.sub(r"(?<=.)f\d+$", "", region)


class Selection(Options):
    """Selection of pixels in learning polygons."""

    sampler: Literal["random", "periodic"] = option("random", "Select pixels at random or at regular intervals.")
    jitter: int | None = option(
        None,
        "Maximum random shift of a regular interval, in pixels.",
        ge=0,
        le=MAX_SAMPLES,
        alias="sampler.periodic.jitter",
    )
    strategy: Literal["all", "percent", "constant", "smallest", "total", "byclass"] = option(
        "all",
        "Number of pixels of each class: all, a share, a constant, the number of the smallest class, from a total, or "
        "from a table.",
    )
    percent: float | None = option(None, "Share of the pixels of each class.", gt=0, le=1, alias="strategy.percent.p")
    constant: int | None = option(None, "Pixels of each class.", ge=1, le=MAX_SAMPLES, alias="strategy.constant.nb")
    total: int | None = option(None, "Pixels of all classes together.", ge=1, le=MAX_SAMPLES, alias="strategy.total.v")
    byclass: InputFile | None = option(
        None, "CSV file with one line `label,count` for each class.", alias="strategy.byclass.in"
    )
    elevation: str | None = no_effect(None, "Folder of elevation tiles.", _NO_TERRAIN, alias="elev.dem")
    geoid: str | None = no_effect(None, "Geoid file.", _NO_TERRAIN, alias="elev.geoid")
    default_height: float | None = no_effect(None, "Height without elevation.", _NO_TERRAIN, alias="elev.default")
    ram: float | None = no_effect(None, "Memory for the selection, MB.", "the memory limit of the run applies")

    @model_validator(mode="before")
    @classmethod
    def _chain_sets(cls, given: Any) -> Any:
        taken = [key for key in RESERVED_SELECTION_KEYS if isinstance(given, dict) and key in given]
        if taken:
            raise ValueError(f"{', '.join(map(repr, taken))} cannot be set, iota2 sets it; remove it")
        return given

    @model_validator(mode="after")
    def _parameters_fit(self) -> Self:
        given = {
            "strategy.percent.p": self.percent,
            "strategy.constant.nb": self.constant,
            "strategy.total.v": self.total,
            "strategy.byclass.in": self.byclass,
        }
        needed = _STRATEGY_PARAMETER.get(self.strategy)
        if needed and given[needed] is None:
            raise ValueError(f"strategy '{self.strategy}' needs '{needed}'; add it")
        extra = [key for key, value in given.items() if value is not None and key != needed]
        if extra:
            raise ValueError(f"strategy '{self.strategy}' does not use '{extra[0]}'; remove it or change the strategy")
        if self.jitter is not None and self.sampler != "periodic":
            raise ValueError("sampler 'random' does not use 'sampler.periodic.jitter'; remove it or change the sampler")
        return self


class ModelSelection(Selection):
    """Selection of pixels in one region."""

    target_model: str = option(..., "Region of this entry.")


class SampleSelection(Selection):
    """Selection of pixels, with exceptions for regions."""

    per_model: tuple[ModelSelection, ...] = option(
        (), "Exceptions for regions: dictionaries with `target_model` and the keys above."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, given: Any) -> Any:
        """Rename ``per_models`` to ``per_model``."""
        if not isinstance(given, dict) or "per_models" not in given:
            return given
        if "per_model" in given:
            raise ValueError("'per_model' and 'per_models' have the same meaning; keep one")
        return {("per_model" if key == "per_models" else key): value for key, value in given.items()}

    @field_validator("per_model")
    @classmethod
    def _once_each(cls, entries: tuple[ModelSelection, ...]) -> tuple[ModelSelection, ...]:
        counts = Counter(entry.target_model for entry in entries)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise ValueError(f"target_model {', '.join(map(repr, twice))} given twice; keep one entry for each region")
        return entries

    def of_model(self, model: str, region: str) -> Selection:
        """The selection of a model of a region; a sub-model without an entry has the selection of its region."""
        entries = {entry.target_model: entry for entry in self.per_model}
        return entries.get(model) or entries.get(region) or self


class SampleAugmentation(Options):
    """Additional samples of small classes."""

    activate: bool = option(False, "Add samples of small classes to those of the models.")
    target_models: Words = option(("all",), "Regions whose models get additional samples, or `all`.")
    strategy: Method | None = option(
        None, "Method: copies, copies with noise, or points between a sample and one of its nearest neighbours (SMOTE)."
    )
    jitter_factor: float | None = option(
        None,
        "Method `jitter`: standard deviation of a feature in the class, divided by that of the noise. "
        f"None: {DEFAULT_FACTOR:g}.",
        gt=0,
        alias="strategy.jitter.stdfactor",
    )
    neighbors: int | None = option(
        None,
        f"Method `smote`: number of nearest samples of the class, one of which is drawn. None: {DEFAULT_NEIGHBOURS}.",
        ge=1,
        le=MAX_SAMPLES,
        alias="strategy.smote.neighbors",
    )
    samples: Wanted | None = option(
        None,
        "Number of samples of each class afterwards: at least a number, as many as the largest class of the model, or "
        "from a table.",
        alias="samples.strategy",
    )
    smallest: int | None = option(
        None, "Smallest number of samples of each class.", ge=1, le=MAX_SAMPLES, alias="samples.strategy.minNumber"
    )
    byclass: InputFile | None = option(
        None,
        "CSV file with one line `label,count` for each class that gets samples.",
        alias="samples.strategy.byClass",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.activate:
            return self
        needed: list[tuple[str, object]] = [("strategy", self.strategy), ("samples.strategy", self.samples)]
        if self.samples == "minNumber":
            needed.append(("samples.strategy.minNumber", self.smallest))
        if self.samples == "byClass":
            needed.append(("samples.strategy.byClass", self.byclass))
        missing = [key for key, value in needed if value is None]
        if missing:
            raise ValueError(f"'activate': True needs {' and '.join(map(repr, missing))}; add it")
        if not self.target_models:
            raise ValueError(
                "'target_models' is empty, so no model would get samples; name regions, give ['all'], or set "
                "'activate' to False"
            )
        return self

    def targets(self, model: str, region: str) -> bool:
        """Whether a model of a region gets samples; a sub-model does with its region."""
        return not {"all", model, region}.isdisjoint(self.target_models)

    @property
    def unused(self) -> tuple[str, ...]:
        """Keys that are given and have no effect with the other ones."""
        return tuple(
            type(self).model_fields[name].alias or name for name in self._unused if getattr(self, name) is not None
        )

    @property
    def _unused(self) -> tuple[str, ...]:
        """Names of the fields without effect with the other ones."""
        used = {
            "jitter_factor": self.strategy == "jitter",
            "neighbors": self.strategy == "smote",
            "smallest": self.samples == "minNumber",
            "byclass": self.samples == "byClass",
        }
        return tuple(name for name, is_used in used.items() if not is_used)

    def effective(self) -> Self:
        """All defaults if not active; otherwise None for unused values, and for defaults of the method."""
        if not self.activate:
            return type(self)()
        changed: dict[str, Any] = dict.fromkeys(self._unused)
        if self.jitter_factor == DEFAULT_FACTOR:
            changed["jitter_factor"] = None
        if self.neighbors == DEFAULT_NEIGHBOURS:
            changed["neighbors"] = None
        every = "all" in self.target_models
        changed["target_models"] = ("all",) if every else tuple(sorted(set(self.target_models)))
        return self.model_copy(update=changed)


class DeepLearning(Options):
    """Neural networks on pixel time series."""

    dl_name: str | None = planned(None, "Name of the network; activates deep learning.")
    dl_parameters: dict[str, Any] = no_effect_without({}, "Arguments of the network's constructor.", "dl_name")
    dl_module: AnyPath | None = no_effect_without(None, "Python file with the user's networks.", "dl_name")
    model_selection_criterion: str = no_effect_without(
        "loss", "Measure that selects the epoch: loss, fscore, oa or kappa.", "dl_name"
    )
    epochs: int = no_effect_without(100, "Number of passes over the samples.", "dl_name")
    weighted_labels: bool = no_effect_without(False, "Weight classes in the loss.", "dl_name")
    num_workers: int = no_effect_without(1, "Processes that load samples; 0 uses the main process.", "dl_name")
    hyperparameters: dict[str, Any] = no_effect_without(
        {"batch_size": [1000], "learning_rate": [0.00001]}, "Values of the grid search.", "dl_name"
    )
    hyperparameters_solver: dict[str, Any] = no_effect_without({}, "Another name of `hyperparameters`.", "dl_name")
    restart_from_checkpoint: bool = no_effect_without(True, "Resume from the last checkpoint.", "dl_name")
    dataloader_mode: str = no_effect_without(
        "stream", "Load all samples at once (full) or in batches (stream).", "dl_name"
    )
    enable_early_stop: bool = no_effect_without(False, "Stop when the monitored measure no longer improves.", "dl_name")
    early_stop_metric: str = no_effect_without("val_loss", "The monitored measure.", "dl_name")
    early_stop_patience: int = no_effect_without(10, "Epochs without improvement before the stop.", "dl_name")
    early_stop_tol: float = no_effect_without(0.01, "Smallest change that is an improvement.", "dl_name")


class ArgTrain(Section):
    """Split of the reference data, selection of samples, and classifier."""

    section_name: ClassVar[str] = "arg_train"
    about_section: ClassVar[str] = "Split of the reference data, selection of samples, and classifier."
    builders: ClassVar[str] = "C O R"

    classifier: Classifier = option(
        "rf",
        "The classifier. For a quantity, `rf` is a random forest of values, and `trees` extra trees and boosting.",
        about=About(later=_OTHER_CLASSIFIERS),
    )
    otb_classifier_options: dict[str, bool | int | float | str] = option(
        {},
        "Parameters of the classifier, such as `{'classifier.rf.min': 5, 'classifier.rf.max': 25}`.",
        about=About(form="a dictionary of parameter names and values"),
    )
    runs: int = option(1, "Number of random splits, each with its own map and accuracy.", ge=1, le=MAX_RUNS)
    ratio: float = option(0.5, "Share of the polygons used for learning.", gt=0, lt=1)
    random_seed: int | None = option(
        None,
        "Seed of random splits, selections and models; run k uses this number plus k. None means 0, so every run is "
        "reproducible.",
        ge=0,
        le=2**63 - 1,
    )
    split_ground_truth: bool = option(
        True, "Reserve polygons for validation; False uses all polygons both for learning and for validation."
    )
    split_field: str | None = option(
        None,
        "Field of `ground_truth`: polygons with the same value, such as cells of one parcel, stay on one side of the "
        "split. A polygon without a value forms its own group.",
    )
    split_distance: float | None = option(
        None,
        "Minimum distance in metres between learning and validation polygons of a class: nearer polygons, also through "
        "others, stay on one side of the split. None: no minimum.",
        ge=0,
    )
    features: tuple[Index, ...] = option(
        DEFAULT_INDICES,
        "Spectral indices to compute. The default ones are always included; [] disables all indices.",
        about=About(builders="C F O R"),
    )
    temporal_features: tuple[TemporalFeature, ...] = option(
        (),
        "Additional features of each band, index and expression of sensors with at least two dates: `differences` "
        "between successive dates; `statistics` over the dates (quantiles, mean, standard deviation, dates of maximum "
        "and minimum, greatest increase and decrease).",
        about=About(builders="C F O R"),
    )
    sample_selection: SampleSelection = option(SampleSelection(), "Selection of pixels in learning polygons.")
    max_samples_per_class: int | None = option(
        None,
        "Maximum number of pixels of a class, or of a fifth of the values of a quantity, for each model, for training "
        "data that exceed the memory. The `sampler` selects pixels from all tiles before features are computed; the "
        "report shows the number of excluded pixels. None: no limit.",
        ge=1,
        le=MAX_SAMPLES,
    )
    sampling_validation: bool = option(
        False,
        "Compute the accuracy from pixels that `sample_selection` selects in the validation polygons. False: from all "
        "their pixels.",
        about=About(builders="C O"),
    )
    sample_management: InputFile | None = option(
        None,
        "CSV file of samples copied between models, with lines such as `1,2,11,500`, and without header: regions of "
        "source and destination, label, and number of samples (-1: all). A region with several models "
        "(`classif_mode: fusion`) means all of them; `1f2` is a single one. All copies are drawn from the samples "
        "before any copy.",
        about=About(builders="C O"),
    )
    sample_augmentation: SampleAugmentation = option(
        SampleAugmentation(), "Additional samples of small classes.", about=About(builders="C O")
    )
    class_weight: Balanced | dict[str, Weight] | None = option(
        None,
        "Weights of the classes in training: `balanced` gives all classes the same total weight; a dictionary has a "
        "weight for each label, and other classes weigh 1. None: all samples weigh 1.",
        about=About(form="'balanced', a dictionary of labels and weights > 0, or None", builders="C O"),
    )
    feature_importance: bool = option(
        False,
        "Measure the importance of each date, band and sensor: the loss in overall accuracy when its values are "
        "exchanged between validation pixels. It is measured in about 1,000 validation pixels of each class and model.",
        about=About(builders="C O"),
    )
    context: Literal["none", "smooth"] = option(
        "none",
        "Context of pixels. `smooth`: a second model for each region and run also learns the class probabilities of a "
        "first model, averaged over the pixels around each pixel. Training takes about four times as long, and the "
        "prediction of pixels twice as long.",
        about=About(builders="C O"),
    )
    context_window: int = option(
        7, "Width of the window of `context`, in pixels; odd.", ge=3, le=MAX_CONTEXT_WINDOW, about=About(builders="C O")
    )
    force_standard_labels: bool = option(
        False,
        "Name features `value_0`, `value_1` …, so that samples of different years can be merged.",
        about=About(builders="C F O R"),
    )
    learning_samples_extension: Literal["sqlite", "parquet", "csv"] = option(
        "sqlite", "Format of the learning samples.", about=About(later=("csv",))
    )

    mode_outside_regionsplit: float = option(
        0.1,
        "Learning area of one model in km²: with `classif_mode: fusion`, a region with a larger area of learning "
        "polygons has several models, each of which learns from a part of the polygons.",
        gt=0,
        le=1e6,
        about=About(builders="C O"),
    )
    features_from_raw_dates: bool = planned(
        False, "Learn on the acquired dates instead of interpolated ones.", builders="C O"
    )
    dempster_shafer_sar_opt_fusion: bool = option(
        False,
        "Train one model on optical and one on radar images (Sentinel-1), and combine their maps: where their labels "
        "differ, that of the model with the higher precision in its class is used. With "
        "`arg_classification.fusion_options: 'mean'`, their probabilities are averaged instead.",
        about=About(builders="C O"),
    )
    fusion_masses: Literal["learning", "validation"] = option(
        "learning",
        "Polygons on which the accuracy of models is measured for their combination by Dempster-Shafer: `learning`: "
        "samples, each predicted by a model that has not learned from its polygon; `validation`: some pixels of "
        "validation polygons, as in iota2, which makes the accuracy of the map optimistic.",
        about=About(builders="C O"),
    )
    enable_autocontext: bool = option(
        False,
        "Auto-context: further models also learn the shares of the classes in the superpixel of each pixel, predicted "
        "by the model before. Only for forests (`rf`, `sharkrf`).",
        about=About(builders="C O"),
    )
    autocontext_iterations: int = option(
        3,
        "Number of further models with `enable_autocontext`.",
        ge=1,
        le=MAX_ITERATIONS,
        about=About(builders="C O"),
    )
    deep_learning_parameters: DeepLearning = planned(
        DeepLearning(), "Neural networks on pixel time series.", builders="C O R"
    )
    validity_threshold: int = no_effect_without(
        1, "Minimum number of clear dates of annual samples.", "crop_mix", builders="C O"
    )
    crop_mix: bool = planned(False, "Take samples of annual classes from another year.", builders="C O")
    prev_features: AnyPath | None = no_effect_without(
        None, "Configuration or features of the other year.", "crop_mix", builders="C O"
    )
    output_prev_features: AnyPath | None = no_effect_without(
        None, "Folder of the other year's features.", "crop_mix", builders="C O"
    )
    annual_crop: Words = no_effect_without((), "Classes that change every year.", "crop_mix", builders="C O")
    a_crop_label_replacement: Words = no_effect_without(
        (),
        "Class code and name that replace annual classes.",
        "crop_mix",
        builders="C O",
    )
    samples_classif_mix: bool = no_effect_without(
        False, "Select annual samples from an earlier map.", "crop_mix", builders="C O"
    )
    annual_classes_extraction_source: AnyPath | None = no_effect_without(
        None, "The earlier map.", "crop_mix", builders="C O"
    )

    _none_is_a_value = field_validator("context", mode="before")(read_none)
    _centred_window = field_validator("context_window")(require_odd)

    @property
    def context_option(self) -> str:
        """The option that enables a context, such as ``arg_train.context``; empty without context."""
        enabling = {"context": self.context != "none", "enable_autocontext": self.enable_autocontext}
        return next((f"{self.section_name}.{name}" for name, enabled in enabling.items() if enabled), "")

    @property
    def context_halo(self) -> int:
        """Number of pixels around a block on which predictions of its pixels depend."""
        if self.enable_autocontext:
            return SUPERPIXELS.extent - 1
        return (self.window or 1) // 2

    @property
    def passes(self) -> int:
        """Number of models that predict each pixel."""
        return self.autocontext_iterations + 1 if self.enable_autocontext else 2 if self.window else 1

    @property
    def window(self) -> int | None:
        """Width of the window of the context in pixels; None without context."""
        return self.context_window if self.context == "smooth" else None

    @field_validator("class_weight")
    @classmethod
    def _sorted_weights(cls, given: Any) -> Any:
        """Sort the weights by label; a dictionary without weights means None."""
        return dict(sorted(given.items())) or None if isinstance(given, dict) else given

    @property
    def seed(self) -> int:
        """The random seed; 0 if ``random_seed`` is None."""
        return self.random_seed or 0

    @property
    def indices(self) -> tuple[str, ...]:
        """Indices to compute: all default indices, then the other requested ones; empty for ``features: []``."""
        others = (name for name in INDICES if name in self.features and name not in DEFAULT_INDICES)
        return (*DEFAULT_INDICES, *others) if self.features else ()


class DimRed(Section):
    """Dimension reduction of features."""

    section_name: ClassVar[str] = "dim_red"
    about_section: ClassVar[str] = "Dimension reduction of features."
    builders: ClassVar[str] = "C O R"

    dim_red: bool = option(
        False,
        "Replace the features by principal components of the standardised features, for each group of features. They "
        "are fitted to the samples of each model.",
    )
    target_dimension: int = option(
        4,
        "Components of each group of features. A group with fewer features, or with fewer directions in which its "
        "samples vary, has as many components as these.",
        ge=1,
        le=MAX_COMPONENTS,
    )
    reduction_mode: ReductionMode = option(
        "global",
        "Groups of features: `global` one group; `sensor_band` each band of each sensor, with all its dates; "
        "`sensor_date` each date of each sensor, with all its bands; `date` each date, with all sensors; `band` each "
        "band, with all sensors and dates; `sensor` each sensor. Indices and additional features count as bands. "
        "Features without date, such as layers, are a group of their own in `date`, for each sensor in `sensor_date`.",
    )


class ScikitModels(Section):
    """Classifiers of scikit-learn."""

    section_name: ClassVar[str] = "scikit_models_parameters"
    about_section: ClassVar[str] = "Classifiers and regressors of scikit-learn."
    builders: ClassVar[str] = "C O R"

    model_type: str | None = option(
        None,
        "Name of a classifier of scikit-learn, such as SVC, or of a regressor for a quantity, or of a pipeline; "
        "replaces `arg_train.classifier`. Any other key of the section is an argument of it.",
    )
    standardization: bool = same_as(ScikitParams, "standardization")
    cross_validation_folds: int = same_as(ScikitParams, "cross_validation_folds")
    cross_validation_grouped: bool = same_as(ScikitParams, "cross_validation_grouped")
    cross_validation_parameters: dict[str, Any] = same_as(ScikitParams, "cross_validation_parameters")
    keyword_arguments: dict[str, Any] = same_as(ScikitParams, "keyword_arguments")

    @field_validator("model_type", mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        """Reject an empty name, which would silently select ``arg_train.classifier``."""
        if isinstance(given, str) and not given.strip():
            raise ValueError("is empty; name a classifier of scikit-learn, or give None to use arg_train.classifier")
        return given

    @model_validator(mode="before")
    @classmethod
    def _other_keys(cls, given: Any) -> Any:
        """Add unknown keys to the arguments of the classifier, as in legacy versions."""
        if not isinstance(given, dict):
            return given
        others = {key: value for key, value in given.items() if key not in cls.model_fields}
        known = {key: value for key, value in given.items() if key in cls.model_fields}
        arguments = known.get("keyword_arguments", {})
        if not others or not isinstance(arguments, dict):
            return known
        return known | {"keyword_arguments": others | arguments}
