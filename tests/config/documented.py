"""Test data: every documented option of iota2 with its present and legacy names and its default."""

from __future__ import annotations

from typing import Any, NamedTuple


class Documented(NamedTuple):
    """One option in configuration files."""

    section: str
    key: str
    default: Any
    old: str = ""
    """Legacy name; empty if it is the present name."""
    old_section: str = ""
    """Legacy section; empty if it is the present section."""


INDICES = ["NDVI", "NDWI", "Brightness"]
SENTINEL_2 = ["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"]
SEN2COR = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
LANDSAT = ["B1", "B2", "B3", "B4", "B5", "B6", "B7"]
STATISTICS = {"1": "rate", "2": "statsmaj", "3": "statsmaj"}

CHAIN: list[tuple[Any, ...]] = [
    ("remove_output_path", True, "remove_outputPath"),
    ("check_inputs", True),
    ("spatial_resolution", [], "spatialResolution"),
    ("spatial_resolution", 10),
    ("region_path", None, "regionPath"),
    ("region_field", "region", "regionField"),
    ("region_priority", None),
    ("l5_path_old", None, "L5Path_old"),
    ("l8_path", None, "L8Path"),
    ("l8_path_old", None, "L8Path_old"),
    ("s2_s2c_path", None, "S2_S2C_Path"),
    ("s2_l3a_path", None, "S2_L3A_Path"),
    ("s1_path", None, "S1Path"),
    ("user_feat_path", None, "userFeatPath"),
    ("l8_usgs_path", None),
    ("l8_usgs_optical_path", None),
    ("l8_usgs_thermal_path", None),
    ("l8_usgs_infrared_path", None),
    ("s2_output_path", None, "S2_output_path"),
    ("s2_s2c_output_path", None, "S2_S2C_output_path"),
    ("s2_l3a_output_path", None, "S2_L3A_output_path"),
    ("l8_output_path", None, "L8_output_path"),
    ("l8_old_output_path", None, "L8_old_output_path"),
    ("l5_output_path_old", None, "L5_output_path_old"),
    ("cloud_threshold", 0),
    ("cloud_threshold", 1),
    ("first_step", "init", "firstStep"),
    ("last_step", "validation", "lastStep"),
    ("logger_level", "INFO", "logFileLevel"),
    ("remove_tmp_files", False),
    ("output_statistics", False, "outputStatistics"),
    ("enableCrossValidation", False),
    ("grid", None),
    ("tile_field", None),
    ("rasters_grid_path", None),
    ("compression_algorithm", "ZSTD"),
    ("jobsPath", None),
    ("logFile", "log.txt"),
    ("logConsole", True),
    ("enableConsole", False),
    ("logConsoleLevel", "INFO"),
    ("model", "here"),
    ("chainName", "iota2"),
    ("pyAppPath", "/opt/iota2"),
    ("OTB_HOME", "/opt/otb"),
    ("mode", "outside"),
]

IN_CHAIN_IN_2020: list[tuple[Any, ...]] = [
    ("arg_train", "runs", 1),
    ("arg_train", "ratio", 0.5),
    ("arg_train", "random_seed", None),
    ("arg_train", "split_ground_truth", True, "splitGroundTruth"),
    ("arg_train", "split_ground_truth", True),
    ("arg_train", "force_standard_labels", False),
    ("arg_train", "force_standard_labels", False, "forceStandardLabels"),
    ("arg_train", "mode_outside_regionsplit", 0.1, "mode_outside_RegionSplit"),
    ("arg_train", "enable_autocontext", False, "enable_autoContext"),
    ("arg_train", "autocontext_iterations", 3, "autoContext_iterations"),
    ("multi_run_fusion", "merge_run", False, "merge_final_classifications"),
    ("multi_run_fusion", "merge_run_method", "majorityvoting", "merge_final_classifications_method"),
    ("multi_run_fusion", "merge_run_undecidedlabel", 255, "merge_final_classifications_undecidedlabel"),
    ("multi_run_fusion", "merge_run_ratio", 0.1, "merge_final_classifications_ratio"),
    ("multi_run_fusion", "dempstershafer_mob", "precision"),
    ("multi_run_fusion", "keep_runs_results", True),
    ("multi_run_fusion", "fusion_of_classification_all_samples_validation", False),
    (
        "multi_run_fusion",
        "fusion_of_classification_all_samples_validation",
        False,
        "fusionOfClassificationAllSamplesValidation",
    ),
]

ARG_TRAIN: list[tuple[Any, ...]] = [
    ("classifier", "rf"),
    ("otb_classifier_options", {"classifier.rf.min": 5, "classifier.rf.max": 25}),
    ("otb_classifier_options", " -classifier.rf.min 5 -classifier.rf.max 25 ", "options"),
    ("features_from_raw_dates", False),
    ("sample_selection", {"sampler": "random", "strategy": "all"}, "sampleSelection"),
    ("sample_augmentation", {"activate": False}, "sampleAugmentation"),
    ("sample_management", None, "sampleManagement"),
    ("dempster_shafer_sar_opt_fusion", False, "dempster_shafer_SAR_Opt_fusion"),
    ("validity_threshold", 1, "validityThreshold"),
    ("crop_mix", False, "cropMix"),
    ("prev_features", None, "prevFeatures"),
    ("output_prev_features", None, "outputPrevFeatures"),
    ("annual_crop", ["11", "12"], "annualCrop"),
    ("a_crop_label_replacement", ["10", "annualCrop"], "ACropLabelReplacement"),
    ("samples_classif_mix", False, "samplesClassifMix"),
    ("annual_classes_extraction_source", None, "annualClassesExtractionSource"),
    ("deep_learning_parameters", {}),
    ("deep_learning_parameters", {"hyperparameters": {"batch_size": [1000], "learning_rate": [0.00001]}}),
    ("deep_learning_parameters", {"hyperparameters_solver": {"batch_size": [1000]}}),
    ("learning_samples_extension", "sqlite"),
    ("sampling_validation", False),
]

ARG_CLASSIFICATION: list[tuple[Any, ...]] = [
    ("classif_mode", "separate", "classifMode"),
    ("no_label_management", "maxConfidence", "noLabelManagement"),
    ("enable_probability_map", False),
    ("generate_final_probability_map", False),
    ("fusion_options", "-nodatalabel 0 -method majorityvoting", "fusionOptions"),
    ("enable_boundary_fusion", False),
    ("boundary_interior_buffer_size", 0),
    ("boundary_exterior_buffer_size", 0),
    ("boundary_fusion_epsilon", 0.0),
    ("boundary_comparison_mode", False),
    ("boundary_buffer", None),
]

SENSORS: dict[str, tuple[int, list[str]]] = {
    "Landsat5_old": (10, LANDSAT[:6]),
    "Landsat8": (16, LANDSAT),
    "Landsat8_old": (16, LANDSAT),
    "Sentinel_2": (10, SENTINEL_2),
    "Sentinel_2_S2C": (10, SEN2COR),
    "Sentinel_2_L3A": (10, SENTINEL_2),
}


def _of_sensor(section: str, days: int, bands: list[str]) -> list[Documented]:
    return [
        Documented(section, "additional_features", "", "additionalFeatures"),
        Documented(section, "start_date", "", "startDate"),
        Documented(section, "end_date", "", "endDate"),
        Documented(section, "temporal_resolution", days, "temporalResolution"),
        Documented(section, "keep_bands", bands, "keepBands"),
        Documented(section, "write_reproject_resampled_input_dates_stack", True),
        *(Documented(section, key, "x") for key in ("arbo", "arbomask", "nodata_Mask", "nativeRes", "imtype", "proj")),
    ]


OTHERS: dict[str, list[tuple[Any, ...]]] = {
    "userFeat": [("arbo", "/*"), ("patterns", "ALT,ASP,SLP")],
    "sensors_data_interpolation": [
        ("auto_date", True, "autoDate"),
        ("write_outputs", False, "writeOutputs"),
        ("use_gapfilling", True, "useGapFilling"),
        ("use_additional_features", False, "useAdditionalFeatures"),
    ],
    "iota2_feature_extraction": [
        ("copy_input", True, "copyinput"),
        ("rel_refl", False, "relrefl"),
        ("keep_duplicates", True, "keepduplicates"),
        ("extract_bands", False, "extractBands"),
        ("acor_feat", False, "acorfeat"),
    ],
    "dim_red": [
        ("dim_red", False, "dimRed"),
        ("target_dimension", 4, "targetDimension"),
        ("target_dimension", 6),
        ("reduction_mode", "global", "reductionMode"),
    ],
    "scikit_models_parameters": [
        ("model_type", None),
        ("standardization", False),
        ("cross_validation_folds", 5),
        ("cross_validation_grouped", False),
        ("cross_validation_parameters", {}),
        ("keyword_arguments", {}),
        ("n_estimators", 100),
    ],
    "external_features": [
        ("module", None),
        ("functions", None),
        ("functions", "get_soil get_water"),
        ("concat_mode", True),
        ("output_name", None),
        ("output_name", "map.tif"),
        ("custom_write_mode", False),
        ("external_features_flag", False),
        ("no_data_value", -10000),
        ("fill_missing_dates", False),
        ("number_of_chunks", 50),
        ("chunk_size_x", 50),
        ("chunk_size_y", 50),
        ("chunk_size_mode", "split_number"),
    ],
    "python_data_managing": [
        ("chunk_size_mode", "split_number"),
        ("chunk_size_mode", "user_fixed"),
        ("number_of_chunks", 50),
        ("chunk_size_x", 50),
        ("chunk_size_y", 50),
        ("data_mode_access", "gapfilled"),
        ("padding_size_x", 0),
        ("padding_size_y", 0),
    ],
    "builders": [
        ("builders_class_name", ["i2_classification"]),
        ("builders_class_name", ["I2Classification"]),
        ("builders_class_name", "I2Classification"),
        ("builders_paths", None),
    ],
    "obia": [
        ("obia_segmentation_path", None),
        ("buffer_size", None),
        ("buffer_size", 2000),
        ("stats_used", ["mean"]),
        ("region_priority", None),
        ("full_learn_segment", False),
    ],
    "coregistration": [
        ("vhr_path", "None", "VHRPath"),
        ("date_vhr", None, "dateVHR"),
        ("date_src", None, "dateSrc"),
        ("date_src", "None 20170223", "dateSrc"),
        ("band_ref", 1, "bandRef"),
        ("band_src", 3, "bandSrc"),
        ("resample", True),
        ("step", 256),
        ("minstep", 16),
        ("minsiftpoints", 40),
        ("iterate", True),
        ("prec", 3),
        ("mode", 2),
        ("pattern", None),
    ],
    "slurm": [("account", "project")],
    "task_retry_limits": [("allowed_retry", 0), ("maximum_ram", 60.0), ("maximum_cpu", 12)],
}

SIMPLIFICATION: list[tuple[Any, ...]] = [
    *((key, None) for key in ("classification", "confidence", "validity", "seed", "umc1", "umc2", "inland")),
    ("umc1", 10),
    ("umc2", 3),
    ("rssize", 20),
    *((key, None) for key in ("lib64bit", "gridsize", "grasslib", "clipfile", "clipfield", "clipvalue")),
    ("grasslib", "/opt/grass"),
    ("douglas", 10),
    ("hermite", 10),
    ("mmu", 1000),
    ("angle", True),
    ("outprefix", "dept"),
    ("lcfield", "Class"),
    ("blocksize", 2000),
    ("dozip", True),
    ("bingdal", None),
    ("chunk", 10),
    ("chunk", 1),
    ("systemcall", False),
    ("nomenclature", None),
    ("nomenclature", "several_levels.cfg"),
    ("statslist", STATISTICS),
]

OLD_SECTIONS = {
    "arg_train": "argTrain",
    "arg_classification": "argClassification",
    "sensors_data_interpolation": "GlobChain",
    "iota2_feature_extraction": "iota2FeatureExtraction",
    "dim_red": "dimRed",
    "external_features": "Features",
    "simplification": "Simplification",
}
"""Legacy section name by present name, for renamed sections."""


def documented() -> list[Documented]:
    """All options except mandatory ones, which every configuration contains."""
    return [
        *(Documented("chain", *row) for row in CHAIN),
        *(Documented(section, *row) for section, *row in IN_CHAIN_IN_2020),
        *(Documented("arg_train", key, default, old[0] if old else key, "chain") for key, default, old in _moved()),
        *(Documented("arg_train", *row) for row in ARG_TRAIN),
        Documented("arg_train", "features", INDICES),
        Documented("arg_train", "features", INDICES, "features", "GlobChain"),
        *(Documented("arg_classification", *row) for row in ARG_CLASSIFICATION),
        *(one for section, (days, bands) in SENSORS.items() for one in _of_sensor(section, days, bands)),
        *(Documented(section, *row) for section, rows in OTHERS.items() for row in rows),
        *(Documented("simplification", *row) for row in SIMPLIFICATION),
    ]


def _moved() -> list[tuple[str, Any, list[Any]]]:
    return [(key, default, old) for section, key, default, *old in IN_CHAIN_IN_2020 if section == "arg_train"]


def spellings(option: Documented) -> list[tuple[str, str]]:
    """Pairs of section and key: all ways to write an option."""
    sections = [option.section, OLD_SECTIONS.get(option.section, option.section)]
    if option.section in ("multi_run_fusion",):
        sections.append("chain")
    if option.old_section:
        sections = [option.old_section]
    keys = [option.key, option.old or option.key]
    return list(dict.fromkeys((section, key) for section in sections for key in keys))


PROJECTIONS = [2154, "2154", "EPSG:2154", "epsg:2154"]
"""Spellings of the projection."""

RESOURCES_2020 = [
    "iota2_chain",
    "iota2_dir",
    "preprocess_data",
    "coregistration",
    "get_common_mask",
    "get_pixValidity",
    "envelope",
    "regionShape",
    "samplesFormatting",
    "split_samples",
    "samplesMerge",
    "samplesStatistics",
    "samplesSelection",
    "samplesSelection_tiles",
    "vectorSampler",
    "mergeSample",
    "samplesManagement",
    "samplesAugmentation",
    "dimensionalityReduction",
    "superPixPos",
    "superPixSplit",
    "slic_segmentation",
    "training",
    "cmdClassifications",
    "classifications",
    "mergeClassifications",
    "SAROptConfusionMatrix",
    "SAROptConfusionMatrixFusion",
    "SAROptFusion",
    "fusion",
    "noData",
    "classifShaping",
    "gen_confusionMatrix",
    "confusionMatrix",
    "confusionMatrixFusion",
    "reportGen",
    "merge_final_classifications",
    "statsReport",
    "mergeOutStats",
    "regularisation",
    "mergeregularisation",
    "clump",
    "grid",
    "crownsearch",
    "crownbuild",
    "mosaictiles",
    "vectorisation",
    "simplification",
    "smoothing",
    "clipvectors",
    "statistics",
    "prodVectors",
]
"""Block names of legacy resources files."""
RESOURCES_NEWER = [
    "sensorsPreprocess",
    "CommonMasks",
    "PixelValidity",
    "Envelope",
    "genRegionVector",
    "VectorFormatting",
    "samplesMerge",
    "statsSamplesModel",
    "samplingLearningPolygons",
    "samplesByTiles",
    "samplesExtraction",
    "samplesByModels",
    "learnModel",
    "classification",
    "mosaic",
    "confusionCmd",
    "confusionsMerge",
    "reportGeneration",
]
