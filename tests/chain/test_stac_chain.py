"""A whole run whose images are found by STAC items: the same map as from product folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iota2.chains.load import load_config
from iota2.io.archive.products import scan_tile
from iota2.io.archive.specs import builtin_specs
from iota2.runs import runner
from iota2.runs.preview import preview_run
from tests.chain.helpers import WEST, Case, case, copied, on_tile, read, refused, run, small
from tests.io.damage import rewritten
from tests.io.items import items_of, relative_to, write_items
from tests.io.web import Web, serving

__all__ = ["case", "small"]

MAP = Path("final", "Classif_Seed_0.tif")
SOON = {"last_step": "mosaic"}


@pytest.fixture(scope="module")
def by_folders(small: Case, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The map that product folders give."""
    case = copied(small, tmp_path_factory.mktemp("folders") / "case")
    return (run(case.configured(chain=SOON)).chain.output_path / MAP).read_bytes()


def items_in(case: Case, folder: Path, href: Callable[[str], str]) -> Path:
    """Write an item of each product of the western tile; ``href``: how files are named."""
    scene, _ = scan_tile(builtin_specs()["Sentinel_2"], case.files.s2_path, WEST)
    return write_items(items_of(scene, "theia", WEST, href=href), folder)


def by_items(case: Case, source: object, **more: Any) -> Path:
    """A configuration that finds Sentinel-2 by items."""
    stac = {"source": str(source), "collections": {"theia": "Sentinel_2"}, **more}
    return case.configured(chain={**SOON, "s2_path": "", "stac_items": stac})


def served(case: Case, web: Web) -> Callable[[str], str]:
    return lambda path: web.url(str(Path(path).relative_to(case.files.folder)))


def test_items_and_folders_make_the_same_map(case: Case, by_folders: bytes) -> None:
    folder = case.files.folder / "items"
    output = run(by_items(case, items_in(case, folder, relative_to(folder)))).chain.output_path
    assert (output / MAP).read_bytes() == by_folders
    assert len({*on_tile(output / MAP, case).flat}) > 2
    page = (output / "logs" / "html" / "input_files_content.html").read_text(encoding="utf-8")
    assert str(folder) in page


@pytest.mark.long
def test_images_on_a_server_make_the_same_map(case: Case, by_folders: bytes) -> None:
    with serving(case.files.folder) as web:
        config = by_items(case, items_in(case, case.files.folder / "items", served(case, web)), remote=True)
        output = run(config).chain.output_path
        assert (output / MAP).read_bytes() == by_folders
        listing = json.loads((output / "features" / WEST / "tmp" / "listing.json").read_text(encoding="utf-8"))
        assert listing
        assert all(path.startswith(web.address) for path in listing)
        fresh = preview_run(load_config(config), runner.Options())
        assert {verdict.state for verdict in fresh.verdicts.values()} == {"fresh"}
        band = case.file("*_FRE_B4.tif")
        rewritten(band, read(band)[::-1])
        changed = preview_run(load_config(config), runner.Options())
        stale = [verdict.reason for verdict in changed.verdicts.values() if verdict.state == "stale"]
        assert stale
        assert all(f"{band.name} changed" in reason for reason in stale)


def test_a_server_that_refuses_or_is_gone_is_reported_once(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(case.files.folder) as web:
        config = by_items(case, items_in(case, case.files.folder / "items", served(case, web)), remote=True)
        web.refused = 403
        message = refused(capsys, config)
        assert message.count("the server responded 403") == 1
    assert refused(capsys, config).count("Connection refused") == 1


def test_problems_of_items_are_reported_with_all_others(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    folder = case.files.folder / "items"
    items_in(case, folder, relative_to(folder))
    (folder / "item0.json").write_text("<html>", encoding="utf-8")
    config = by_items(case, folder)
    case.files.ground_truth.write_bytes(b"")
    message = refused(capsys, config)
    assert "item0.json: is not valid JSON" in message
    assert "reference_data.shp" in message


def test_a_tile_without_items_is_reported(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    folder = case.files.folder / "items"
    config = by_items(case, items_in(case, folder, relative_to(folder)))
    config.write_text(config.read_text(encoding="utf-8").replace(WEST, "T31TDJ"), encoding="utf-8")
    assert "tile T31TDJ" in refused(capsys, config)
    assert (
        "has no item of this tile; it has 0 items of this sensor on other tiles of the run and 3 elsewhere"
        in refused(capsys, config)
    )
