"""Rules for the options of models and maps: several models for one pixel, context, smoothing and the fusion of runs."""

from __future__ import annotations

from collections.abc import Iterator

from iota2.config.findings import Finding, changed, is_enabled
from iota2.config.learner import needs_series
from iota2.config.options.chain import Chain
from iota2.config.options.maps import ArgClassification, MultiRunFusion
from iota2.config.options.sensors import FOLDER_KEYS
from iota2.config.options.train import ArgTrain, DimRed, ScikitModels


def models_of_regions_split(
    chain: Chain, arg_train: ArgTrain, arg_classification: ArgClassification
) -> Iterator[Finding]:
    if arg_classification.classif_mode == "fusion":
        if chain.region_path is None:
            text = "'fusion' divides large regions between models, but there are no regions; give chain.region_path"
            yield Finding("arg_classification", ("classif_mode",), text)
        if arg_train.dempster_shafer_sar_opt_fusion:
            text = "'fusion' is not possible together with arg_train.dempster_shafer_sar_opt_fusion; remove one"
            yield Finding("arg_classification", ("classif_mode",), text)
        if arg_classification.fusion.method == "mean" and changed(arg_classification, "no_label_management"):
            text = "has no effect: with the mean of probabilities, no pixel is undecided"
            yield Finding("arg_classification", ("no_label_management",), text, fatal=False)
        return
    for section, name in (
        (arg_train, "mode_outside_regionsplit"),
        (arg_classification, "fusion_options"),
        (arg_classification, "no_label_management"),
    ):
        of_sensors = name == "fusion_options" and arg_train.dempster_shafer_sar_opt_fusion
        if changed(section, name) and not of_sensors:
            text = "has no effect: arg_classification.classif_mode is 'separate'"
            yield Finding(section.section_name, (name,), text, fatal=False)


def radar_and_optical(chain: Chain, arg_train: ArgTrain, arg_classification: ArgClassification) -> Iterator[Finding]:
    if arg_train.dempster_shafer_sar_opt_fusion:
        path = ("dempster_shafer_sar_opt_fusion",)
        if chain.s1_path is None:
            text = "combines radar and optical maps, but no radar images are given; give chain.s1_path"
            yield Finding("arg_train", path, text)
        if not (any(is_enabled(chain, section) for section in FOLDER_KEYS) or chain.user_sensors):
            text = "combines radar and optical maps, but no optical sensor is enabled; give chain.s2_path or another"
            yield Finding("arg_train", path, text)
        if arg_train.feature_importance:
            text = (
                "cannot be combined with arg_train.feature_importance, which needs one model of all sensors; remove one"
            )
            yield Finding("arg_train", path, text)
        if changed(arg_classification, "fusion_options") and arg_classification.fusion.method == "majorityvoting":
            text = (
                "majorityvoting has no effect: radar and optical maps are combined by Dempster-Shafer "
                "(arg_train.dempster_shafer_sar_opt_fusion); give 'mean', or '-method dempstershafer "
                "-method.dempstershafer.mob MEASURE'"
            )
            yield Finding("arg_classification", ("fusion_options",), text, fatal=False)
        if changed(arg_train, "fusion_masses") and arg_classification.fusion.method == "mean":
            text = "has no effect: the probabilities of radar and optical models are averaged"
            yield Finding("arg_train", ("fusion_masses",), text, fatal=False)
        return
    masses = arg_classification.classif_mode == "fusion" and arg_classification.fusion.method == "dempstershafer"
    if changed(arg_train, "fusion_masses") and not masses:
        text = "has no effect: no models are combined by Dempster-Shafer"
        yield Finding("arg_train", ("fusion_masses",), text, fatal=False)


def probability_map_enabled(arg_classification: ArgClassification, fusion: MultiRunFusion) -> Iterator[Finding]:
    given = "generate_final_probability_map" in arg_classification.model_fields_set
    wanted, text = arg_classification.generate_final_probability_map, ""
    if fusion.averages and not wanted:
        text = "has no effect: multi_run_fusion.merge_run_method 'mean' reads these maps, so they are written"
    elif wanted and not (fusion.averages or arg_classification.enable_probability_map):
        text = "has no effect: enable_probability_map is False"
    if given and text:
        yield Finding("arg_classification", ("generate_final_probability_map",), text, fatal=False)


AUTOCONTEXT_CLASSIFIERS = ("rf", "sharkrf")
"""Classifiers with which auto-context is available."""


def _several_sensors(chain: Chain) -> bool:
    """Whether more than one sensor with dates is possible; the two passes of Sentinel-1 are two sensors."""
    enabled = [section for section in FOLDER_KEYS if is_enabled(chain, section)]
    return chain.s1_path is not None or len(enabled) + len(chain.user_sensors) > 1


def context_possible(arg_train: ArgTrain, scikit: ScikitModels, dim_red: DimRed) -> Iterator[Finding]:
    """The context of pixels fits the other options of the training."""
    section, path = "arg_train", ("context",)
    if arg_train.enable_autocontext:
        path = ("enable_autocontext",)
        if scikit.model_type is not None or arg_train.classifier not in AUTOCONTEXT_CLASSIFIERS:
            text = f"needs a forest: set arg_train.classifier to {' or '.join(AUTOCONTEXT_CLASSIFIERS)}"
            yield Finding(section, path, f"{text}, without scikit_models_parameters.model_type")
        if arg_train.context != "none":
            yield Finding(section, path, "cannot be combined with arg_train.context; remove one of the two")
    elif "autocontext_iterations" in arg_train.model_fields_set and changed(arg_train, "autocontext_iterations"):
        yield Finding(section, ("autocontext_iterations",), "has no effect: enable_autocontext is False", fatal=False)
    if arg_train.context == "none" and not arg_train.enable_autocontext:
        if "context_window" in arg_train.model_fields_set and changed(arg_train, "context_window"):
            yield Finding(section, ("context_window",), "has no effect: context is 'none'", fatal=False)
        return
    others = {
        "arg_train.sample_augmentation": arg_train.sample_augmentation.activate,
        "arg_train.sample_management": arg_train.sample_management is not None,
        "arg_train.feature_importance": arg_train.feature_importance,
        "arg_train.dempster_shafer_sar_opt_fusion": arg_train.dempster_shafer_sar_opt_fusion,
        "arg_train.fusion_masses 'validation'": arg_train.fusion_masses == "validation",
        "dim_red.dim_red": dim_red.dim_red,
    }
    for name in (name for name, given in others.items() if given):
        yield Finding(section, path, f"cannot be combined with {name}; remove one of the two")
    if needs_series(arg_train, scikit):
        yield Finding(section, path, "cannot be used with a classifier that needs series; choose another classifier")


_WIDTHS = ("boundary_interior_buffer_size", "boundary_exterior_buffer_size")
"""Options of the widths of the blending at borders of regions."""


def boundary_options_used(chain: Chain, arg_classification: ArgClassification) -> Iterator[Finding]:
    """The blending at borders of regions has a width, and options without effect are reported."""
    given, section = arg_classification, ArgClassification.section_name
    others = (*_WIDTHS, "boundary_fusion_epsilon", "boundary_comparison_mode", "boundary_buffer")
    if not given.enable_boundary_fusion:
        for name in sorted({*others} & given.model_fields_set):
            if changed(given, name):
                yield Finding(section, (name,), "has no effect: enable_boundary_fusion is False", fatal=False)
        return
    if chain.region_path is None:
        text = "has no effect: without chain.region_path there is a single region"
        yield Finding(section, ("enable_boundary_fusion",), text, fatal=False)
    if not any(getattr(given, name) for name in _WIDTHS):
        text = f"needs a width: set {' and '.join(_WIDTHS)}, in metres"
        yield Finding(section, ("enable_boundary_fusion",), text)
    elif given.boundary_exterior_buffer_size == 0:
        text = "has no effect: boundary_exterior_buffer_size is 0, so no model is used outside its region"
        yield Finding(section, ("enable_boundary_fusion",), text, fatal=False)
    if given.boundary_comparison_mode and not given.boundary_buffer:
        text = "is needed by boundary_comparison_mode; give distances in metres, such as [100, 500]"
        yield Finding(section, ("boundary_buffer",), text)
    if given.boundary_buffer and not given.boundary_comparison_mode:
        text = "has no effect: boundary_comparison_mode is False"
        yield Finding(section, ("boundary_buffer",), text, fatal=False)


def smoothing_options_used(arg_classification: ArgClassification) -> Iterator[Finding]:
    given = arg_classification
    unused = {} if given.smoothing != "none" else {"smoothing_window": "smoothing is 'none'"}
    if given.smoothing != "bayesian":
        reason = f"smoothing is '{given.smoothing}', not 'bayesian'"
        unused |= dict.fromkeys(("smoothing_fraction", "smoothness"), reason)
    if "likely_classes" not in given.uncertainty_layers:
        unused["likely_classes_share"] = "uncertainty_layers does not contain likely_classes"
    for name, reason in unused.items():
        if changed(given, name):
            yield Finding("arg_classification", (name,), f"has no effect: {reason}", fatal=False)


def runs_can_be_fused(arg_train: ArgTrain, fusion: MultiRunFusion) -> Iterator[Finding]:
    """The fusion of runs has several runs, with polygons that are split."""
    if not fusion.merge_run:
        return
    section, path = MultiRunFusion.section_name, ("merge_run",)
    if not arg_train.split_ground_truth:
        text = "True requires arg_train.split_ground_truth True; without a split, all runs are identical"
        yield Finding(section, path, text)
    elif arg_train.runs == 1:
        text = "True requires several runs; set arg_train.runs to 3 or more, or merge_run to False"
        yield Finding(section, path, text)
    elif arg_train.runs == 2 and fusion.merge_run_method == "majorityvoting":
        text = (
            "with two runs, all pixels in which they differ are undecided by multi_run_fusion.merge_run_method "
            "'majorityvoting'; give 3 runs or more, or another method"
        )
        yield Finding(ArgTrain.section_name, ("runs",), text, fatal=False)


def run_fusion_options_used(fusion: MultiRunFusion) -> Iterator[Finding]:
    method = fusion.merge_run_method
    for name in sorted(fusion.model_fields_set - {"merge_run"}):
        text = ""
        if not fusion.merge_run:
            text = "merge_run is False"
        elif name == "dempstershafer_mob" and method != "dempstershafer":
            text = f"merge_run_method is {method}"
        elif name == "merge_run_undecidedlabel" and method == "mean":
            text = "merge_run_method is mean, which decides every pixel"
        elif name == "merge_run_ratio" and fusion.fusion_of_classification_all_samples_validation:
            text = "fusion_of_classification_all_samples_validation is True, so no polygon is reserved"
        if text and changed(fusion, name):
            yield Finding(MultiRunFusion.section_name, (name,), f"has no effect: {text}", fatal=False)


def fused_labels_kept(arg_classification: ArgClassification) -> Iterator[Finding]:
    """Smoothing and blending start from mean probabilities: votes of the models of a region do not decide there."""
    given = arg_classification
    if given.classif_mode != "fusion" or given.fusion.method == "mean":
        return
    if given.smoothing == "bayesian":
        text = (
            "uses the mean probabilities of the models of a region: fusion_options and no_label_management have no "
            "effect on the final map; set fusion_options to 'mean', or smoothing to 'majority'"
        )
        yield Finding("arg_classification", ("smoothing",), text, fatal=False)
    if given.enable_boundary_fusion:
        text = (
            "uses the mean probabilities of the models of a region near borders, and their votes elsewhere, so that "
            "the edge of the blended strip can be visible; set fusion_options to 'mean'"
        )
        yield Finding("arg_classification", ("enable_boundary_fusion",), text, fatal=False)


def maps_of_runs_processed(arg_classification: ArgClassification, fusion: MultiRunFusion) -> Iterator[Finding]:
    """Layers that are made of each run, but not of the fusion of runs."""
    if fusion.merge_run and changed(arg_classification, "uncertainty_layers"):
        text = "applies to the maps of the runs, not to their fusion (multi_run_fusion.merge_run)"
        yield Finding("arg_classification", ("uncertainty_layers",), text, fatal=False)


def missing_sensors_used(chain: Chain, arg_train: ArgTrain, arg_classification: ArgClassification) -> Iterator[Finding]:
    """The options for pixels that some of the sensors never observe clear have an effect, or are reported.

    So is a context, with which such pixels have no label.
    """
    given, section, path = arg_classification, ArgClassification.section_name, ("missing_sensors",)
    if arg_train.dempster_shafer_sar_opt_fusion and given.missing_sensors == "mask":
        text = (
            "applies to the optical and to the radar model, not to their fusion: pixels that one of them sees have a "
            "label (arg_train.dempster_shafer_sar_opt_fusion)"
        )
        yield Finding(section, path, text, fatal=False)
    why, useless = "", ["missing_sensors_share"]
    if chain.allow_missing_sensor:
        why, useless = "chain.allow_missing_sensor is True", [*path, *useless]
    elif not _several_sensors(chain):
        why = "there is a single sensor with dates"
        useless += path if given.missing_sensors == "mask" else ()
    elif arg_train.context_option:
        why = f"{arg_train.context_option} needs all sensors"
        useless += path if given.missing_sensors == "models" else ()
        if given.missing_sensors == "models":
            text = (
                "pixels that are not clear in every sensor have no label; set chain.allow_missing_sensor to True for a "
                "label wherever any sensor has a clear date"
            )
            yield Finding(ArgTrain.section_name, (arg_train.context_option.partition(".")[2],), text, fatal=False)
    elif given.missing_sensors == "mask":
        why = "missing_sensors is mask"
    for name in useless:
        if why and name in given.model_fields_set:
            yield Finding(section, (name,), f"has no effect: {why}", fatal=False)
