"""The output tree: roles and types of its files."""

from __future__ import annotations

from iota2 import layout
from iota2.chains import BUILDERS
from iota2.chains.classification import CLASSIFICATION
from iota2.core.graph import Artifact


def test_products_are_in_the_folder_final_and_made_by_steps() -> None:
    assert layout.MAP in CLASSIFICATION.products
    assert {*layout.products()} == {product for builder in BUILDERS for product in builder.products}
    for product in CLASSIFICATION.products:
        assert product.path.startswith("final/"), product.path
        assert not product.path.startswith("final/TMP/"), product.path


def test_each_raster_and_layer_of_the_final_folder_has_a_style() -> None:
    """QGIS applies the style beside a raster or GeoPackage; it exists whenever the file does."""
    styles = {artifact.path: artifact for artifact in layout.artifacts() if artifact.path.endswith(".qml")}
    shown = [
        one for one in layout.artifacts() if one.path.startswith("final/") and one.path.endswith((".tif", ".gpkg"))
    ]
    assert {layout.OPTICAL_MAP, layout.SEGMENT_LAYER} <= {*shown}
    for file in shown:
        style = styles.pop(file.path.rpartition(".")[0] + ".qml", None)
        assert style is not None, f"{file.path} has no style"
        assert style.when is file.when, style.path
        makers = [step for builder in BUILDERS for step in builder.steps if style in step.makes.values()]
        assert makers, f"no step writes {style.path}"
    assert not styles, "styles without a file"


def test_product_names_are_recognised_for_any_seed() -> None:
    products = {
        "final/Classif_Seed_12.tif": layout.MAP,
        "final/Classif_Seed_12.qml": None,
        "final/TMP/T31TCJ_seed_0.tif": None,
        "Classif_Seed_12.tif": None,
        "T31TCJ/dem.tif": layout.FEATURE_TILE,
        "classif/dem.tif": None,
        "final/mine.tif": layout.FEATURES_MAP,
        "final/report.html": layout.REPORT,
        "mine/T31TCJ.txt": None,
    }
    assert {name: layout.product_of(name) for name in products} == products
    mine = Artifact("mine/{tile}.txt", "Mine.", role="product")
    assert layout.product_of("mine/T31TCJ.txt", [mine]) == mine


def test_values_of_axes_contain_no_folder() -> None:
    artifact = Artifact("a/{tile}.tif", "About.")
    assert artifact.matches("a/T1.tif")
    assert not artifact.matches("a/T1/b.tif")
    assert not artifact.matches("a/T1xtif")


def test_files_have_a_media_type_and_folders_have_none() -> None:
    assert layout.MAP.media_type == "image/tiff; application=geotiff"
    assert layout.MODEL.media_type is None
    assert layout.MODEL_SAMPLES.media_type is None, "its extension depends on the run"
    endings = {artifact.path.rsplit(".", 1)[-1] for artifact in layout.artifacts() if artifact.media_type is None}
    assert {ending for ending in endings if ending.isalnum()} <= {"out", "err", "log"}
