"""Legacy spellings of options, sections and builders."""

from __future__ import annotations

import re
from collections.abc import Mapping

from iota2.classifiers.options import split_text
from iota2.config.syntax.document import bare_value
from iota2.core.words import normalised_name

SECTIONS = {
    "argTrain": "arg_train",
    "argClassification": "arg_classification",
    "GlobChain": "sensors_data_interpolation",
    "iota2FeatureExtraction": "iota2_feature_extraction",
    "dimRed": "dim_red",
    "Features": "external_features",
    "Simplification": "simplification",
}
"""Present section name by legacy name."""

OPTIONS = {
    # chain
    "outputPath": ("chain", "output_path"),
    "remove_outputPath": ("chain", "remove_output_path"),
    "spatialResolution": ("chain", "spatial_resolution"),
    "nomenclaturePath": ("chain", "nomenclature_path"),
    "colorTable": ("chain", "color_table"),
    "listTile": ("chain", "list_tile"),
    "groundTruth": ("chain", "ground_truth"),
    "dataField": ("chain", "data_field"),
    "regionPath": ("chain", "region_path"),
    "regionField": ("chain", "region_field"),
    "L5Path_old": ("chain", "l5_path_old"),
    "L8Path": ("chain", "l8_path"),
    "L8Path_old": ("chain", "l8_path_old"),
    "S2Path": ("chain", "s2_path"),
    "S2_S2C_Path": ("chain", "s2_s2c_path"),
    "S2_L3A_Path": ("chain", "s2_l3a_path"),
    "S1Path": ("chain", "s1_path"),
    "userFeatPath": ("chain", "user_feat_path"),
    "firstStep": ("chain", "first_step"),
    "lastStep": ("chain", "last_step"),
    "logFileLevel": ("chain", "logger_level"),
    "outputStatistics": ("chain", "output_statistics"),
    "S2_output_path": ("chain", "s2_output_path"),
    "S2_S2C_output_path": ("chain", "s2_s2c_output_path"),
    "S2_L3A_output_path": ("chain", "s2_l3a_output_path"),
    "L8_output_path": ("chain", "l8_output_path"),
    "enableCrossValidation": ("chain", "enable_cross_validation"),
    # arg_train
    "options": ("arg_train", "otb_classifier_options"),
    "splitGroundTruth": ("arg_train", "split_ground_truth"),
    "sampleSelection": ("arg_train", "sample_selection"),
    "sampleAugmentation": ("arg_train", "sample_augmentation"),
    "sampleManagement": ("arg_train", "sample_management"),
    "dempster_shafer_SAR_Opt_fusion": ("arg_train", "dempster_shafer_sar_opt_fusion"),
    "enable_autoContext": ("arg_train", "enable_autocontext"),
    "autoContext_iterations": ("arg_train", "autocontext_iterations"),
    "mode_outside_RegionSplit": ("arg_train", "mode_outside_regionsplit"),
    "validityThreshold": ("arg_train", "validity_threshold"),
    "cropMix": ("arg_train", "crop_mix"),
    "prevFeatures": ("arg_train", "prev_features"),
    "outputPrevFeatures": ("arg_train", "output_prev_features"),
    "annualCrop": ("arg_train", "annual_crop"),
    "ACropLabelReplacement": ("arg_train", "a_crop_label_replacement"),
    "samplesClassifMix": ("arg_train", "samples_classif_mix"),
    "annualClassesExtractionSource": ("arg_train", "annual_classes_extraction_source"),
    # arg_classification
    "classifMode": ("arg_classification", "classif_mode"),
    "noLabelManagement": ("arg_classification", "no_label_management"),
    "fusionOptions": ("arg_classification", "fusion_options"),
    # multi_run_fusion
    "merge_final_classifications": ("multi_run_fusion", "merge_run"),
    "merge_final_classifications_method": ("multi_run_fusion", "merge_run_method"),
    "merge_final_classifications_undecidedlabel": ("multi_run_fusion", "merge_run_undecidedlabel"),
    "merge_final_classifications_ratio": ("multi_run_fusion", "merge_run_ratio"),
    "fusionOfClassificationAllSamplesValidation": (
        "multi_run_fusion",
        "fusion_of_classification_all_samples_validation",
    ),
    # sensors: the key stays in its section
    "additionalFeatures": (None, "additional_features"),
    "keepBands": (None, "keep_bands"),
    "temporalResolution": (None, "temporal_resolution"),
    "startDate": (None, "start_date"),
    "endDate": (None, "end_date"),
    # sensors_data_interpolation
    "autoDate": ("sensors_data_interpolation", "auto_date"),
    "writeOutputs": ("sensors_data_interpolation", "write_outputs"),
    "useGapFilling": ("sensors_data_interpolation", "use_gapfilling"),
    "useAdditionalFeatures": ("sensors_data_interpolation", "use_additional_features"),
    # iota2_feature_extraction
    "copyinput": ("iota2_feature_extraction", "copy_input"),
    "relrefl": ("iota2_feature_extraction", "rel_refl"),
    "keepduplicates": ("iota2_feature_extraction", "keep_duplicates"),
    "extractBands": ("iota2_feature_extraction", "extract_bands"),
    "acorfeat": ("iota2_feature_extraction", "acor_feat"),
    # external_features
    "exogenous_data": ("external_features", "exogeneous_data"),
    "exogenous_resampling": ("external_features", "exogeneous_resampling"),
    # dim_red
    "dimRed": ("dim_red", "dim_red"),
    "targetDimension": ("dim_red", "target_dimension"),
    "reductionMode": ("dim_red", "reduction_mode"),
    # coregistration
    "VHRPath": ("coregistration", "vhr_path"),
    "dateVHR": ("coregistration", "date_vhr"),
    "dateSrc": ("coregistration", "date_src"),
    "bandRef": ("coregistration", "band_ref"),
    "bandSrc": ("coregistration", "band_src"),
}
"""Present section and name by legacy option name. Section None: the section that contains the option. Names that differ
only in case and underscores are recognised without an entry."""

MOVED = {
    ("chain", "runs"): "arg_train",
    ("chain", "ratio"): "arg_train",
    ("sensors_data_interpolation", "proj"): "chain",
    ("sensors_data_interpolation", "features"): "arg_train",
    ("external_features", "chunk_size_mode"): "python_data_managing",
    ("external_features", "number_of_chunks"): "python_data_managing",
    ("external_features", "chunk_size_x"): "python_data_managing",
    ("external_features", "chunk_size_y"): "python_data_managing",
}
"""Present section by legacy section and present name of an option. Unambiguous names are moved without an entry."""

SENSORS_NOT_YET = ("Landsat8_usgs", "Landsat8_usgs_thermal", "Landsat8_usgs_infrared")
"""Sections of sensors that are not available yet. Their folder options are rejected, and the sections have no
effect."""
NOT_YET = ("pretrained_model",)
"""Sections of features that are not available yet."""

_NO_SUCCESSOR = "has no effect; remove it"
WITHOUT_EFFECT: Mapping[str, tuple[str, ...]] = {
    "chain": (
        "jobsPath", "logFile", "logPath", "logConsole", "enableConsole", "logConsoleLevel", "model", "mode",
        "chainName", "pyAppPath", "OTB_HOME", "executionMode", "featuresPath",
    ),
    "sensors_data_interpolation": ("batchProcessing",),
    "arg_classification": ("pixType", "confusionModel"),
}  # fmt: skip
"""Legacy options without successor, by present section."""
SENSORS_WITHOUT_EFFECT = ("arbo", "arbomask", "nodata", "nodata_Mask", "nativeRes", "imtype", "proj")
"""Legacy options without successor in sections of sensors with product folders."""
_STACKS = re.compile(r"(s1|s2|s2s2c|s2l3a|l5|l8|l8usgs(optical|thermal|infrared)?|userfeat)(old)?outputpath(old)?")
"""Pattern of normalised names of legacy options for folders of image stacks."""


def without_effect(section: str, key: str, *, sensor: bool) -> str:
    """The warning on a legacy option without successor; empty for any other option.

    ``sensor``: whether ``section`` belongs to a sensor with product folders.
    """
    name = normalised_name(key)
    if section == "chain" and _STACKS.fullmatch(name):
        return "has no effect: iota2 writes no stacks of images"
    known = SENSORS_WITHOUT_EFFECT if sensor else WITHOUT_EFFECT.get(section, ())
    return _NO_SUCCESSOR if name in map(normalised_name, known) else ""


def classifier_options(value: object) -> object:
    """The dictionary for ``-name value -name value``; values of other types are unchanged.

    Raises ValueError for a text in another form.
    """
    if not isinstance(value, str):
        return value
    return {name: bare_value(word) for name, word in split_text(value).items()}


VALUES = {
    ("arg_train", "otb_classifier_options"): classifier_options,
}
"""Functions that convert legacy values of options, by section and key."""

STEP_BLOCKS = {
    "preprocess_data": "sensorsPreprocess",
    "get_common_mask": "CommonMasks",
    "get_pixValidity": "PixelValidity",
    "envelope": "Envelope",
    "regionShape": "genRegionVector",
    "split_samples": "referenceData",
    "samplesFormatting": "VectorFormatting",
    "samplesStatistics": "statsSamplesModel",
    "samplesSelection": "samplingLearningPolygons",
    "samplesSelection_tiles": "samplesByTiles",
    "vectorSampler": "samplesExtraction",
    "mergeSample": "samplesByModels",
    "training": "learnModel",
    "classifications": "classification",
    "mergeClassifications": "classificationMerge",
    "confusionMatrix": "confusionCmd",
    "confusionMatrixFusion": "confusionsMerge",
    "reportGen": "reportGeneration",
    "merge_final_classifications": "mergeRuns",
    "regularisation": "regularisedMap",
    "vectorisation": "squareLines",
    "clipvectors": "clippedPolygons",
    "prodVectors": "allPolygons",
}
"""Step name by block name in legacy resources files."""
BLOCKS_WITHOUT_STEP = (
    "iota2_dir", "samplesManagement", "samplesAugmentation", "dimensionalityReduction",
    "superPixPos", "superPixSplit", "slic_segmentation", "cmdClassifications", "SAROptConfusionMatrix",
    "SAROptConfusionMatrixFusion", "SAROptFusion", "fusion", "noData", "gen_confusionMatrix",
    "statsReport", "mergeOutStats", "mergeregularisation", "clump", "grid", "crownsearch", "crownbuild", "mosaictiles",
    "simplification", "smoothing", "statistics",
)  # fmt: skip
"""Block names in legacy resources files without a corresponding step."""
