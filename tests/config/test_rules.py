"""Each rule for combinations of options, and that no other rule reports the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iota2.config import rules
from iota2.config.options.schema import ATTRIBUTES
from iota2.errors import ConfigError
from tests.config.helpers import loaded

S2 = {"s2_path": "s2"}
ITEMS = {"source": "items", "collections": {"sentinel-2-l2a": "Sentinel_2_S2C"}}
MINE = {"mine": {"path": "own", "description": "mine.yaml"}}


TILER, TILED = {"features_path": "images"}, {"builders": {"builders_class_name": "I2FeaturesTiler"}}


VECTORS = {"builders": {"builders_class_name": ["I2Classification", "I2Vectorization"]}}


@dataclass(frozen=True)
class Case:
    """A combination of options with a finding of a rule."""

    rule: str
    text: str
    """A part of the message."""
    chain: dict[str, Any] = field(default_factory=lambda: S2)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: bool = True
    """Whether the finding is a problem; False for a warning."""


def seasons(start: int, end: int) -> dict[str, dict[str, Any]]:
    return {"Sentinel_2": {"start_date": start, "end_date": end}, "sensors_data_interpolation": {"auto_date": False}}


def blended(**options: Any) -> dict[str, dict[str, Any]]:
    return {"arg_classification": {"enable_boundary_fusion": True, **options}}


def fused(runs: int = 3, **options: Any) -> dict[str, dict[str, Any]]:
    return {"arg_train": {"runs": runs}, "multi_run_fusion": {"merge_run": True, **options}}


def vectors(**options: Any) -> dict[str, dict[str, Any]]:
    return VECTORS | {"simplification": options}


def aligned(**options: Any) -> dict[str, dict[str, Any]]:
    return {"coregistration": {"vhr_path": "reference.tif", **options}}


QUANTITY = {"builders": {"builders_class_name": ["I2Regression"]}}
CASES = (
    Case(
        "vectorised_run_known",
        "simplification.seed: is 1; expected a run from 0 to 0, by arg_train.runs",
        sections=vectors(seed=1),
    ),
    Case(
        "vectorised_run_known",
        "simplification.seed: has no effect: simplification.classification is given",
        sections=vectors(seed=0, classification="reference.tif"),
        refused=False,
    ),
    Case(
        "clip_options_complete",
        "simplification.clipfield: is missing; it is mandatory with simplification.clipfile",
        sections=vectors(clipfile="tiles.gpkg"),
    ),
    Case(
        "clip_options_complete",
        "simplification.clipvalue: has no effect: clipfile is not set",
        sections=vectors(clipvalue=31),
        refused=False,
    ),
    Case(
        "clip_options_complete",
        "simplification.clipfield: has no effect: clipfile is not set",
        sections=vectors(clipfield="dep"),
        refused=False,
    ),
    Case(
        "sea_options_complete",
        "simplification.water_class: is missing; it is mandatory with simplification.inland",
        sections=vectors(inland="tiles.gpkg"),
    ),
    Case(
        "sea_options_complete",
        "simplification.sea_class: is 7, as water_class; give the sea a code of its own",
        sections=vectors(inland="tiles.gpkg", water_class=7, sea_class=7),
    ),
    Case(
        "sea_options_complete",
        "simplification.water_class: has no effect: inland is not set",
        sections=vectors(water_class=7),
        refused=False,
    ),
    Case(
        "user_functions_given",
        "external_features.functions: is empty; give the functions of",
        sections={"external_features": {"module": "mine.py"}},
    ),
    Case(
        "user_functions_given",
        "One with the name none is written as ['none']",
        sections={"external_features": {"module": "mine.py", "functions": "none"}},
    ),
    Case(
        "user_functions_given",
        "external_features.functions: has no effect: external_features.module is not given",
        sections={"external_features": {"functions": "f"}},
        refused=False,
    ),
    Case(
        "user_functions_given",
        "python_data_managing.padding_size_x: has no effect: external_features_flag is False",
        sections={
            "external_features": {"module": "mine.py", "functions": "f", "external_features_flag": False},
            "python_data_managing": {"padding_size_x": 2},
        },
        refused=False,
    ),
    Case(
        "user_functions_given",
        "external_features.whole_tiles: 'ff' is not one of the functions",
        sections={"external_features": {"module": "mine.py", "functions": "f g", "whole_tiles": ["f", "ff"]}},
    ),
    Case(
        "user_functions_given",
        "external_features.exogeneous_data: has no effect: external_features.module is not given",
        sections={"external_features": {"exogenous_data": "soil.tif"}},
        refused=False,
    ),
    Case(
        "sensors_enabled",
        "the name is that of the rasters of external_features.exogeneous_data",
        S2 | {"user_sensors": {"exogenous": MINE["mine"]}},
    ),
    Case("tile_grid_given", "chain: no grid of tiles; give grid with", TILER, TILED),
    Case("tile_grid_given", "chain.tile_field: is missing; it is mandatory", TILER | {"grid": "tiles.gpkg"}, TILED),
    Case(
        "tile_grid_given", "chain.grid also defines", TILER | {"grid": "tiles.gpkg", "rasters_grid_path": "own"}, TILED
    ),
    Case(
        "tile_grid_given",
        "chain.proj: has no effect: the rasters of",
        TILER | {"rasters_grid_path": "own"},
        TILED,
        refused=False,
    ),
    Case("sensors_enabled", "no sensor is enabled", {}),
    Case("sensors_enabled", "the layers of user_feat_path have no dates", {"user_feat_path": "own"}),
    Case(
        "sensors_enabled",
        "the sensor of s2_path has the same name",
        S2 | {"user_sensors": {"Sentinel2": MINE["mine"]}},
    ),
    Case(
        "sensors_enabled",
        "the layers of user_feat_path have the same name",
        S2 | {"user_feat_path": "own", "user_sensors": {"userFeatures": MINE["mine"]}},
    ),
    Case(
        "stac_items_complete",
        "'Sentinel_22' is neither a section",
        {"stac_items": ITEMS | {"collections": {"a": "Sentinel_22"}}},
    ),
    Case(
        "stac_items_complete",
        "Sentinel_2 also has the folder",
        S2 | {"stac_items": ITEMS | {"collections": {"a": "Sentinel_2"}}},
    ),
    Case(
        "stac_items_complete",
        "user_sensors.mine.path: is missing",
        S2 | {"user_sensors": {"mine": {"description": "mine.yaml"}}},
    ),
    Case(
        "stac_items_complete",
        "is a web address; set stac_items.remote",
        {"stac_items": ITEMS | {"source": "https://example.org"}},
    ),
    Case(
        "stac_items_complete",
        "20180201 is after end_date 20180101",
        {"stac_items": ITEMS | {"start_date": 20180201, "end_date": 20180101}},
    ),
    Case("steps_in_order", "'mosaic' comes after last_step 'init'", S2 | {"first_step": "mosaic", "last_step": "init"}),
    Case("pixel_size_fits", "looks like degrees", S2 | {"spatial_resolution": 0.0001}),
    Case("classes_in_two_files", "is the same file as nomenclature_path", S2 | {"color_table": "classes.txt"}),
    Case("outputs_outside_inputs", "is in the folder of products", S2 | {"output_path": "s2/out"}),
    Case("outputs_outside_inputs", "would delete", S2 | {"output_path": ".", "remove_output_path": True}),
    Case("radar_settings_read", "empty.ini: [Paths] Output is missing", {"s1_path": "empty.ini"}),
    Case("radar_settings_read", "[Paths] SRTM: no effect", {"s1_path": "s1.ini"}, refused=False),
    Case("radar_settings_read", "overlaps the folder of", {"s1_path": "s1.ini", "output_path": "images/out"}),
    Case(
        "radar_settings_read",
        "overlaps the folder of",
        {"s1_path": "s1.ini", "output_path": ".", "remove_output_path": True},
    ),
    Case(
        "several_runs_split",
        "False makes all 2 runs identical",
        sections={"arg_train": {"split_ground_truth": False, "runs": 2}},
    ),
    Case(
        "validation_independent",
        "accuracy will be too optimistic",
        sections={"arg_train": {"split_ground_truth": False}},
        refused=False,
    ),
    Case(
        "split_options_used",
        "split_field: has no effect: split_ground_truth is False",
        sections={"arg_train": {"split_ground_truth": False, "split_field": "parcel"}},
        refused=False,
    ),
    Case(
        "default_indices_included",
        "NDWI, Brightness also computed",
        sections={"arg_train": {"features": ["NDVI"]}},
        refused=False,
    ),
    Case(
        "classifier_options_known",
        "classifier.rf.mni",
        sections={"arg_train": {"otb_classifier_options": {"classifier.rf.mni": 3}}},
    ),
    Case(
        "classifier_options_known",
        "arg_train.classifier: knn does not standardise the features, as in Orfeo ToolBox: those with large values "
        "dominate the distances. To standardise them, give scikit_models_parameters : {model_type : "
        "'KNeighborsClassifier', standardization : True, keyword_arguments : {n_neighbors : 7}}",
        sections={"arg_train": {"classifier": "knn", "otb_classifier_options": {"classifier.knn.k": 7}}},
        refused=False,
    ),
    Case(
        "context_possible",
        "context_window: has no effect: context is 'none'",
        sections={"arg_train": {"context_window": 5}},
        refused=False,
    ),
    Case(
        "context_possible",
        "context: cannot be combined with arg_train.feature_importance",
        sections={"arg_train": {"context": "smooth", "feature_importance": True}},
    ),
    Case(
        "context_possible",
        "enable_autocontext: needs a forest: set arg_train.classifier to rf or sharkrf",
        sections={"arg_train": {"enable_autocontext": True, "classifier": "trees"}},
    ),
    Case(
        "context_possible",
        "enable_autocontext: cannot be combined with arg_train.context",
        sections={"arg_train": {"enable_autocontext": True, "context": "smooth"}},
    ),
    Case(
        "context_possible",
        "enable_autocontext: cannot be combined with arg_train.feature_importance",
        sections={"arg_train": {"enable_autocontext": True, "feature_importance": True}},
    ),
    Case(
        "missing_sensors_used",
        "missing_sensors: has no effect: arg_train.context needs all sensors",
        S2 | {"l8_path": "own"},
        sections={"arg_train": {"context": "smooth"}, "arg_classification": {"missing_sensors": "models"}},
        refused=False,
    ),
    Case(
        "missing_sensors_used",
        "enable_autocontext: pixels that are not clear in every sensor have no label; set chain.allow_missing_sensor",
        S2 | {"l8_path": "own"},
        sections={"arg_train": {"enable_autocontext": True}},
        refused=False,
    ),
    Case(
        "missing_sensors_used",
        "missing_sensors: has no effect: there is a single sensor with dates",
        S2 | {"user_feat_path": "own"},
        sections={"arg_classification": {"missing_sensors": "mask"}},
        refused=False,
    ),
    Case(
        "missing_sensors_used",
        "missing_sensors_share: has no effect: there is a single sensor with dates",
        sections={"arg_classification": {"missing_sensors_share": 0.1}},
        refused=False,
    ),
    Case(
        "context_possible",
        "autocontext_iterations: has no effect: enable_autocontext is False",
        sections={"arg_train": {"autocontext_iterations": 2}},
        refused=False,
    ),
    Case(
        "context_possible",
        "context: cannot be combined with dim_red.dim_red",
        sections={"arg_train": {"context": "smooth"}, "dim_red": {"dim_red": True}},
    ),
    Case(
        "probability_map_enabled",
        "enable_probability_map is False",
        sections={"arg_classification": {"generate_final_probability_map": True}},
        refused=False,
    ),
    Case(
        "probability_map_enabled",
        "generate_final_probability_map: has no effect: multi_run_fusion.merge_run_method 'mean'",
        sections=fused(merge_run_method="mean") | {"arg_classification": {"generate_final_probability_map": False}},
        refused=False,
    ),
    Case(
        "boundary_options_used",
        "boundary_buffer: has no effect: enable_boundary_fusion is False",
        sections={"arg_classification": {"boundary_buffer": [100]}},
        refused=False,
    ),
    Case(
        "boundary_options_used",
        "enable_boundary_fusion: has no effect: without chain.region_path there is a single region",
        sections=blended(boundary_exterior_buffer_size=100),
        refused=False,
    ),
    Case("boundary_options_used", "enable_boundary_fusion: needs a width", sections=blended()),
    Case(
        "boundary_options_used",
        "has no effect: boundary_exterior_buffer_size is 0",
        sections=blended(boundary_interior_buffer_size=100),
        refused=False,
    ),
    Case(
        "boundary_options_used",
        "boundary_buffer: is needed by boundary_comparison_mode",
        sections=blended(boundary_exterior_buffer_size=100, boundary_comparison_mode=True),
    ),
    Case(
        "boundary_options_used",
        "boundary_buffer: has no effect: boundary_comparison_mode is False",
        sections=blended(boundary_exterior_buffer_size=100, boundary_buffer=[50]),
        refused=False,
    ),
    Case(
        "smoothing_options_used",
        "smoothing_window: has no effect: smoothing is 'none'",
        sections={"arg_classification": {"smoothing_window": 5}},
        refused=False,
    ),
    Case(
        "smoothing_options_used",
        "smoothness: has no effect: smoothing is 'majority', not 'bayesian'",
        sections={"arg_classification": {"smoothing": "majority", "smoothness": {"11": 3}}},
        refused=False,
    ),
    Case(
        "smoothing_options_used",
        "likely_classes_share: has no effect: uncertainty_layers does not contain likely_classes",
        sections={"arg_classification": {"likely_classes_share": 0.8, "uncertainty_layers": ["entropy"]}},
        refused=False,
    ),
    Case(
        "missing_sensors_used",
        "missing_sensors: has no effect: chain.allow_missing_sensor is True",
        S2 | {"l8_path": "own", "allow_missing_sensor": True},
        sections={"arg_classification": {"missing_sensors": "models"}},
        refused=False,
    ),
    Case(
        "missing_sensors_used",
        "missing_sensors_share: has no effect: missing_sensors is mask",
        S2 | {"l8_path": "own"},
        sections={"arg_classification": {"missing_sensors": "mask", "missing_sensors_share": 0.1}},
        refused=False,
    ),
    Case(
        "scikit_options_known",
        "model_type: scikit-learn has no classifier 'SCV'; did you mean 'SVC'?",
        sections={"scikit_models_parameters": {"model_type": "SCV"}},
    ),
    Case(
        "scikit_options_known",
        "keyword_arguments: n_estimator: RandomForestClassifier has no such argument; did you mean 'n_estimators'?",
        sections={"scikit_models_parameters": {"model_type": "RandomForestClassifier", "n_estimator": 3}},
    ),
    Case(
        "scikit_options_known",
        "cross_validation_parameters: c: SVC has no such parameter",
        sections={"scikit_models_parameters": {"model_type": "SVC", "cross_validation_parameters": {"c": [1]}}},
    ),
    Case(
        "scikit_options_known",
        "model_type: KNeighborsClassifier: metric 'chebyshev'",
        sections={"scikit_models_parameters": {"model_type": "KNeighborsClassifier", "metric": "chebyshev"}},
    ),
    Case(
        "scikit_options_known",
        "n_jobs has no effect: the run sets the number of threads",
        sections={"scikit_models_parameters": {"model_type": "RandomForestClassifier", "n_jobs": 3}},
        refused=False,
    ),
    Case(
        "scikit_options_known",
        "standardization: SVC weights features by their units",
        sections={"scikit_models_parameters": {"model_type": "SVC"}},
        refused=False,
    ),
    Case(
        "scikit_options_known",
        "standardization: SVC weights features by their units",
        sections={
            "scikit_models_parameters": {
                "model_type": "VotingClassifier",
                "keyword_arguments": {"estimators": {"a": "GaussianNB", "b": {"model_type": "SVC", "C": 3}}},
            }
        },
        refused=False,
    ),
    Case(
        "scikit_options_known",
        "cross_validation_folds has no effect without cross_validation_parameters",
        sections={"scikit_models_parameters": {"model_type": "GaussianNB", "cross_validation_folds": 3}},
        refused=False,
    ),
    Case(
        "regressor_options_known",
        "cross_validation_grouped has no effect without cross_validation_parameters",
        sections=QUANTITY
        | {"scikit_models_parameters": {"model_type": "LinearRegression", "cross_validation_grouped": True}},
        refused=False,
    ),
    Case(
        "regressor_options_known",
        "'libsvm' predicts classes, not a quantity; expected one of rf, trees",
        sections=QUANTITY | {"arg_train": {"classifier": "libsvm"}},
    ),
    Case(
        "regressor_options_known",
        "classifier.rf.nbtree: unknown option; did you mean 'classifier.rf.nbtrees'",
        sections=QUANTITY | {"arg_train": {"otb_classifier_options": {"classifier.rf.nbtree": 3}}},
    ),
    Case(
        "regressor_options_known",
        "model_type: scikit-learn has no regressor 'SVC'; did you mean 'SVR'?",
        sections=QUANTITY | {"scikit_models_parameters": {"model_type": "SVC"}},
    ),
    Case(
        "regressor_options_known",
        "standardization: SVR weights features by their units",
        sections=QUANTITY | {"scikit_models_parameters": {"model_type": "SVR"}},
        refused=False,
    ),
    Case(
        "regressor_options_known",
        "'byclass' needs classes; choose another strategy",
        sections=QUANTITY
        | {"arg_train": {"sample_selection": {"strategy": "byclass", "strategy.byclass.in": "mine.yaml"}}},
    ),
    Case(
        "scikit_options_used",
        "standardization: has no effect: model_type is None",
        sections={"scikit_models_parameters": {"standardization": True}},
        refused=False,
    ),
    Case(
        "scikit_options_known",
        "classifier: has no effect: scikit_models_parameters.model_type selects SVC",
        sections={
            "arg_train": {"classifier": "rf"},
            "scikit_models_parameters": {"model_type": "SVC", "standardization": True},
        },
        refused=False,
    ),
    Case(
        "reduction_options_used",
        "reduction_mode: has no effect: dim_red.dim_red is False",
        sections={"dim_red": {"reduction_mode": "date"}},
        refused=False,
    ),
    Case(
        "runs_can_be_fused",
        "merge_run: True requires several runs; set arg_train.runs to 3 or more",
        sections={"multi_run_fusion": {"merge_run": True}},
    ),
    Case(
        "runs_can_be_fused",
        "merge_run: True requires arg_train.split_ground_truth True",
        sections={"arg_train": {"split_ground_truth": False}, "multi_run_fusion": {"merge_run": True}},
    ),
    Case(
        "runs_can_be_fused",
        "arg_train.runs: with two runs, all pixels in which they differ are undecided",
        sections=fused(runs=2),
        refused=False,
    ),
    Case(
        "run_fusion_options_used",
        "merge_run_method: has no effect: merge_run is False",
        sections={"multi_run_fusion": {"merge_run_method": "mean"}},
        refused=False,
    ),
    Case(
        "run_fusion_options_used",
        "dempstershafer_mob: has no effect: merge_run_method is majorityvoting",
        sections=fused(dempstershafer_mob="kappa"),
        refused=False,
    ),
    Case(
        "run_fusion_options_used",
        "merge_run_undecidedlabel: has no effect: merge_run_method is mean",
        sections=fused(merge_run_method="mean", merge_run_undecidedlabel=99),
        refused=False,
    ),
    Case(
        "run_fusion_options_used",
        "merge_run_ratio: has no effect: fusion_of_classification_all_samples_validation is True",
        sections=fused(merge_run_ratio=0.2, fusion_of_classification_all_samples_validation=True),
        refused=False,
    ),
    Case("season_given", "start_date: has no effect", sections={"Sentinel_2": {"start_date": 20180101}}, refused=False),
    Case("season_given", "end_date: is needed", sections={"sensors_data_interpolation": {"auto_date": False}}),
    Case("season_given", "20180301 is after end_date 20180201", sections=seasons(20180301, 20180201)),
    Case(
        "keep_bands_used",
        "extract_bands is False",
        sections={"Sentinel_2": {"keep_bands": ["B2"]}},
        refused=False,
    ),
    Case(
        "expressions_used",
        "use_additional_features is False",
        sections={"Sentinel_2": {"additional_features": "B2/B3"}},
        refused=False,
    ),
    Case(
        "features_left",
        "leaves no feature",
        sections={"arg_train": {"features": []}, "iota2_feature_extraction": {"copy_input": False}},
    ),
    Case(
        "augmentation_options_used",
        "sample_augmentation: has no effect: activate is False",
        sections={"arg_train": {"sample_augmentation": {"strategy": "smote"}}},
        refused=False,
    ),
    Case(
        "augmentation_options_used",
        "strategy.jitter.stdfactor: has no effect with strategy 'smote' and samples.strategy 'balance'",
        sections={
            "arg_train": {
                "sample_augmentation": {
                    "activate": True,
                    "strategy": "smote",
                    "strategy.jitter.stdfactor": 10,
                    "samples.strategy": "balance",
                }
            }
        },
        refused=False,
    ),
    Case(
        "samples_copied_between_regions",
        "without chain.region_path there is a single model",
        sections={"arg_train": {"sample_management": "empty.ini"}},
        refused=False,
    ),
    Case(
        "models_of_regions_split",
        "there are no regions; give chain.region_path",
        sections={"arg_classification": {"classif_mode": "fusion"}},
    ),
    Case(
        "models_of_regions_split",
        "is not possible together with arg_train.dempster_shafer_sar_opt_fusion",
        S2 | {"region_path": "empty.ini", "s1_path": "empty.ini"},
        sections={
            "arg_classification": {"classif_mode": "fusion"},
            "arg_train": {"dempster_shafer_sar_opt_fusion": True},
        },
    ),
    Case(
        "models_of_regions_split",
        "with the mean of probabilities, no pixel is undecided",
        S2 | {"region_path": "empty.ini"},
        sections={
            "arg_classification": {
                "classif_mode": "fusion",
                "fusion_options": "mean",
                "no_label_management": "learningPriority",
            }
        },
        refused=False,
    ),
    Case(
        "models_of_regions_split",
        "mode_outside_regionsplit: has no effect: arg_classification.classif_mode is 'separate'",
        sections={"arg_train": {"mode_outside_regionsplit": 3}},
        refused=False,
    ),
    Case(
        "radar_and_optical",
        "no radar images are given; give chain.s1_path",
        sections={"arg_train": {"dempster_shafer_sar_opt_fusion": True}},
    ),
    Case(
        "radar_and_optical",
        "fusion_options: majorityvoting has no effect: radar and optical maps are combined by Dempster-Shafer",
        S2 | {"s1_path": "s1.ini"},
        sections={
            "arg_train": {"dempster_shafer_sar_opt_fusion": True},
            "arg_classification": {"fusion_options": "-method majorityvoting"},
        },
        refused=False,
    ),
    Case(
        "missing_sensors_used",
        "applies to the optical and to the radar model, not to their fusion",
        S2 | {"s1_path": "s1.ini"},
        sections={
            "arg_train": {"dempster_shafer_sar_opt_fusion": True},
            "arg_classification": {"missing_sensors": "mask"},
        },
        refused=False,
    ),
    Case(
        "fused_labels_kept",
        "fusion_options and no_label_management have no effect on the final map",
        S2 | {"region_path": "empty.ini"},
        sections={"arg_classification": {"classif_mode": "fusion", "smoothing": "bayesian"}},
        refused=False,
    ),
    Case(
        "fused_labels_kept",
        "the edge of the blended strip can be visible; set fusion_options to 'mean'",
        S2 | {"region_path": "empty.ini"},
        sections={
            "arg_classification": {
                "classif_mode": "fusion",
                "enable_boundary_fusion": True,
                "boundary_interior_buffer_size": 100,
                "boundary_exterior_buffer_size": 100,
            }
        },
        refused=False,
    ),
    Case(
        "radar_and_optical",
        "cannot be combined with arg_train.feature_importance",
        S2 | {"s1_path": "s1.ini"},
        sections={"arg_train": {"dempster_shafer_sar_opt_fusion": True, "feature_importance": True}},
    ),
    Case(
        "maps_of_runs_processed",
        "applies to the maps of the runs, not to their fusion",
        sections=fused() | {"arg_classification": {"uncertainty_layers": ["entropy"]}},
        refused=False,
    ),
    Case(
        "radar_and_optical",
        "the probabilities of radar and optical models are averaged",
        S2 | {"s1_path": "s1.ini"},
        sections={
            "arg_train": {"dempster_shafer_sar_opt_fusion": True, "fusion_masses": "validation"},
            "arg_classification": {"fusion_options": "mean"},
        },
        refused=False,
    ),
    Case(
        "radar_and_optical",
        "no models are combined by Dempster-Shafer",
        sections={"arg_train": {"fusion_masses": "validation"}},
        refused=False,
    ),
    Case("coregistration_options_used", "vhr_path is not set", sections={"coregistration": {"prec": 5}}, refused=False),
    Case(
        "coregistration_options_used",
        "date_src: has no effect with mode 1",
        sections=aligned(date_src="20180101"),
        refused=False,
    ),
    Case(
        "coregistration_options_used",
        "date_vhr: has no effect with mode 1",
        sections=aligned(date_vhr=20180101),
        refused=False,
    ),
    Case(
        "coregistration_options_used",
        "date_vhr: has no effect: date_src is set",
        sections=aligned(mode=2, date_vhr=20180101, date_src="20180101"),
        refused=False,
    ),
    Case(
        "coregistration_dates_match_tiles",
        "has 2 dates for 1 tile",
        sections=aligned(mode=2, date_src="20180101 20180111"),
    ),
    Case(
        "sensor_sections_used",
        "chain.l8_path is not set",
        sections={"Landsat8": {"temporal_resolution": 5}},
        refused=False,
    ),
)


def said(folder: Path, case: Case) -> tuple[list[str], list[str]]:
    """Problems, then warnings."""
    for name in ("s2", "own", "items", "images"):
        (folder / name).mkdir(exist_ok=True)
    for name in ("mine.yaml", "mine.py", "empty.ini", "reference.tif", "tiles.gpkg"):
        (folder / name).touch()
    (folder / "s1.ini").write_text("[Paths]\nOutput = images\nSRTM = heights\n", encoding="utf-8")
    try:
        return [], list(loaded(folder, case.chain, case.sections).warnings)
    except ConfigError as err:
        return list(err.problems), []


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.text}")
def test_each_invalid_combination_is_reported_by_its_rule_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    problems, warnings = said(tmp_path, case)
    assert any(case.text in one for one in (problems if case.refused else warnings)), (problems, warnings)
    others = tuple(rule for rule in rules.RULES if rule[0].__name__ != case.rule)
    monkeypatch.setattr(rules, "RULES", others)
    problems, warnings = said(tmp_path, case)
    assert not any(case.text in one for one in (*problems, *warnings)), "reported without the rule too"


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == {rule.__name__ for rule, _ in rules.RULES}


def test_valid_combinations_cause_no_message(tmp_path: Path) -> None:
    mean = fused(merge_run_method="mean") | {"arg_classification": {"generate_final_probability_map": True}}
    assert said(tmp_path, Case("", "", sections=mean)) == ([], [])
    context = {"arg_train": {"context": "smooth"}}
    assert said(tmp_path, Case("", "", S2 | {"l8_path": "own", "allow_missing_sensor": True}, context)) == ([], [])
    assert said(tmp_path, Case("", "", sections=context)) == ([], []), "a single sensor"
    masked = {"arg_classification": {"missing_sensors": "mask"}}
    assert not any("missing" in text for text in said(tmp_path, Case("", "", {"s1_path": "s1.ini"}, masked))[1])
    own = {"user_sensors": {"mine": {"description": "mine.yaml"}}, "stac_items": ITEMS | {"collections": {"a": "mine"}}}
    assert "single sensor" in " ".join(said(tmp_path, Case("", "", own, masked))[1])
    assert said(tmp_path, Case("", "")) == ([], [])
    assert said(tmp_path, Case("", "", sections=seasons(20180101, 20180201))) == ([], [])
    assert said(tmp_path, Case("", "", sections=aligned(mode=2, date_src="20180101"))) == ([], [])


SPOILT = {"chain": "cloud_threshold", "arg_train": "random_seed", "coregistration": "band_ref"}
"""An option of each section that no rule in ``READS`` reads."""


def spoilt(case: Case) -> Case:
    """The same combination with an invalid option in each section."""
    sections = {name: {**case.sections.get(name, {}), key: "x"} for name, key in SPOILT.items()}
    return replace(case, chain=case.chain | {SPOILT["chain"]: "x"}, sections=case.sections | sections)


READS = {rule: reads for rule, reads in rules.READS.items() if rules.RULES_OF.get(rule) != "grid"}
"""Rules for builders on images; for those on a grid, see tests/chain/test_features_tiler.py."""
BESIDE = [case for case in CASES if case.refused and case.rule in {rule.__name__ for rule in READS}]


@pytest.mark.parametrize("case", BESIDE, ids=lambda case: f"{case.rule}: {case.text}")
def test_an_invalid_combination_is_reported_beside_other_problems_of_its_section(tmp_path: Path, case: Case) -> None:
    wrong = spoilt(case)
    wrong.sections.pop("chain")
    problems, _ = said(tmp_path, wrong)
    assert sum(case.text in one for one in problems) == 1, problems
    assert sum("got 'x'" in one for one in problems) == len(SPOILT), problems
    assert len(problems) == len(SPOILT) + 1, problems


def test_a_rule_beside_problems_reads_only_the_options_that_it_declares(tmp_path: Path) -> None:
    """Sections that have no other options are enough."""
    (tmp_path / "s2").mkdir()
    config = loaded(tmp_path, S2, {})
    for rule, reads in READS.items():
        sections = dict(rules.RULES)[rule]
        assert {option.partition(".")[0] for option in reads} == {*sections}
        given = {name: SimpleNamespace() for name in sections}
        for option in reads:
            name, _, key = option.partition(".")
            setattr(given[name], key, getattr(getattr(config, ATTRIBUTES[name]), key))
        assert list(rule(*(given[name] for name in sections))) == []


def test_a_rule_does_not_read_an_invalid_option(tmp_path: Path) -> None:
    sections = {"arg_train": {"classifier": "x", "otb_classifier_options": {"classifier.rf.mni": 3}}}
    problems, _ = said(tmp_path, Case("", "", sections=sections))
    assert len(problems) == 1, problems
    assert "arg_train.classifier: expected 'rf'" in problems[0]
