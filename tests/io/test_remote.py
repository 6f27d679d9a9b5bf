"""Files on web servers: requests, errors, and messages without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.shutil import copy

from iota2.core.grid import block_of
from iota2.core.scene import Acquisition, FileFormat, Scene, SensorScene
from iota2.core.sensor import BandSpec, SensorSpec
from iota2.errors import DamagedProduct, InputError
from iota2.io.files.addresses import is_remote, secret_in, without_secrets
from iota2.io.files.gdal import open_image, open_raster
from iota2.io.files.remote import fetch, remote_state, session
from iota2.io.series.reader import CubeReader
from iota2.io.stac.products import _probe_servers
from iota2.runs.survey import listing
from iota2.testing.products import Layer, write_raster
from tests.io.web import Web, serving

GRID = GeoBox((40, 30), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
VALUES = np.arange(1200, dtype=np.int16).reshape(40, 30)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A server with an image."""
    write_raster(tmp_path / "band.tif", {1: Layer(VALUES, GRID)})
    write_raster(tmp_path / "band.jp2", {1: Layer(VALUES.astype(np.uint16), GRID)})
    with serving(tmp_path) as running:
        yield running


def refusal(address: str) -> str:
    with pytest.raises(InputError) as caught:
        open_image(address)
    return str(caught.value)


def test_addresses_are_distinguished_from_paths() -> None:
    assert is_remote("https://host/x.tif")
    assert is_remote("HTTP://host/x.tif")
    assert not any(map(is_remote, ("/data/x.tif", "https/x.tif", "s3://b/x", "/vsicurl/https://host/x.tif")))


def test_secrets_are_removed_from_addresses() -> None:
    text = "'https://me:SECRET@host/a.tif?sig=SECRET&x=1' and (url: /b?sig=SECRET) or http://host/c; why? so"
    assert without_secrets(text) == "'https://host/a.tif?…' and (url: /b?… or http://host/c; why? so"
    assert secret_in("https://me@host/x") == "a user name"
    assert secret_in("https://host/x?y") == "a query"
    assert secret_in("https://host/x#y") == "a query"
    assert secret_in("https://host/x") == ""


@pytest.mark.parametrize("name", ["band.tif", "band.jp2"])
def test_an_image_is_read_over_the_network(web: Web, name: str) -> None:
    with open_image(web.url(name)) as source:
        assert np.array_equal(source.read(1), VALUES)
    assert all(path == f"/{name}" for _, path, _ in web.requests)


def test_only_the_bytes_that_are_read_are_requested(web: Web) -> None:
    values = np.random.default_rng(0).integers(0, 10000, (1000, 1000)).astype(np.int16)
    path = web.folder / "large.tif"
    write_raster(path, {1: Layer(values, GeoBox(values.shape, GRID.affine, GRID.crs))})
    with open_image(web.url(path.name)) as source:
        assert np.array_equal(source.read(1, window=((500, 508), (0, 1000))), values[500:508])
    assert 0 < web.sent < path.stat().st_size / 2


def test_an_interrupted_response_is_reported(web: Web) -> None:
    web.breaking = True
    with pytest.raises(InputError, match=r"band.tif: cannot be read"), session() as opened:
        remote_state(web.url("band.tif"), opened)


def test_a_changed_image_is_read_anew_when_it_is_opened_again(web: Web) -> None:
    with open_image(web.url("band.tif")) as source:
        source.read(1)
    write_raster(web.folder / "band.tif", {1: Layer(VALUES + 1, GRID)})
    with open_image(web.url("band.tif")) as source:
        assert np.array_equal(source.read(1), VALUES + 1)


def test_requests_to_a_busy_server_are_repeated(web: Web) -> None:
    web.refused, web.refusals = 503, 1
    assert fetch(web.url("band.tif")) == (web.folder / "band.tif").read_bytes()
    large = np.random.default_rng(0).integers(0, 1000, (1000, 1000)).astype(np.int16)
    write_raster(web.folder / "large.tif", {1: Layer(large, GeoBox((1000, 1000), GRID.affine, GRID.crs))})
    with open_image(web.url("large.tif")) as source:
        web.refusals = 3
        assert np.array_equal(source.read(1), large)
    assert web.refusals == 0


def test_only_supported_image_formats_are_opened(web: Web) -> None:
    copy(str(web.folder / "band.tif"), str(web.folder / "virtual.tif"), driver="VRT")
    with rasterio.open(web.folder / "virtual.tif") as source:
        assert source.driver == "VRT"
    (web.folder / "page.tif").write_text("<html>log in</html>", encoding="utf-8")
    (web.folder / "cut.tif").write_bytes((web.folder / "band.tif").read_bytes()[:60])
    assert "virtual.tif: is not a raster but text" in refusal(web.url("virtual.tif"))
    assert "page.tif: is not a raster but text: '<html>log in" in refusal(web.url("page.tif"))
    assert "cut.tif: is damaged, its header cannot be read" in refusal(web.url("cut.tif"))
    assert "absent.tif: the server responded 404" in refusal(web.url("absent.tif"))
    with pytest.raises(InputError, match="is not a local path"):
        open_raster(web.url("band.tif"))


def test_a_server_without_range_requests_is_rejected(web: Web) -> None:
    web.pieces = False
    with pytest.raises(InputError, match=r"band.tif: the server does not support range requests.*Download"):
        _probe_servers([web.url("band.tif")])


def test_documents_have_a_maximum_size(web: Web) -> None:
    (web.folder / "long").write_bytes(bytes(3 << 20))
    with pytest.raises(InputError, match=r"long: exceeds 2 MiB"):
        fetch(web.url("long"), 2 << 20)
    assert len(fetch(web.url("long"), 3 << 20)) == 3 << 20


@pytest.mark.parametrize("address", ["http://[::1", "http://127.0.0.1:9/x?sig=SECRET", "http://me:SECRET@127.0.0.1:9"])
def test_an_unreachable_address_is_reported_without_secrets(address: str) -> None:
    with pytest.raises(InputError, match="cannot be read") as caught:
        fetch(address)
    assert "SECRET" not in str(caught.value)
    with pytest.raises(InputError) as caught, session() as opened:
        remote_state(address, opened)
    assert "SECRET" not in str(caught.value)


BAND = FileFormat(VALUES.dtype.name, VALUES.shape, (1, VALUES.shape[1]), 1)


def scene_of(web: Web) -> Scene:
    spec = SensorSpec("Made", "Made", r"(?P<date>\d{8})", (BandSpec("B1", "*"),), ())
    one = Acquisition("Made", date(2018, 5, 11), "20180511", "made", {"B1": web.url("band.tif")}, {}, {"B1": BAND})
    return Scene("T31TCJ", GRID, (SensorScene(spec, (one,), {"B1": GRID}),))


def test_a_file_that_a_server_does_not_deliver_is_not_damaged(web: Web) -> None:
    scene, block = scene_of(web), block_of("T31TCJ", GRID, (0, 40), (0, 30))
    with CubeReader(scene, {"Made": ("B1",)}) as reader:
        assert np.array_equal(reader.read(block)["Made"].values[0, 0], VALUES)
    web.redirected = {"/band.tif": web.url("gone.tif?sig=SECRET")}
    with CubeReader(scene, {"Made": ("B1",)}) as reader, pytest.raises(InputError) as caught:
        reader.read(block)
    assert not isinstance(caught.value, DamagedProduct)
    assert "Run again when the server is available" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_server_that_stops_while_pixels_are_read_is_reported_without_secrets(web: Web) -> None:
    web.redirected = {"/band.tif": web.url("other.tif?sig=SECRET")}
    large = np.random.default_rng(0).integers(0, 1000, (1000, 1000)).astype(np.int16)
    write_raster(web.folder / "other.tif", {1: Layer(large, GeoBox((1000, 1000), GRID.affine, GRID.crs))})
    with CubeReader(scene_of(web), {"Made": ("B1",)}) as reader:
        reader.read(block_of("T31TCJ", GRID, (0, 1), (0, 1)))
        web.refused = 404
        with pytest.raises(InputError, match=r"band.tif: cannot be read in rows") as caught:
            reader.read(block_of("T31TCJ", GRID, (39, 40), (0, 1)))
    assert "SECRET" not in str(caught.value)


def test_fingerprints_of_files_on_servers_change_with_size_and_etag(web: Web) -> None:
    address, cache = web.url("band.tif"), {}
    first = listing._entries([address], cache)[address]
    assert listing._entries([address], cache)[address] == first
    write_raster(web.folder / "band.tif", {1: Layer(VALUES + 1, GRID)})
    second = listing._entries([address], cache)[address]
    assert second != first
    assert not listing._size_only_remarks("T31TCJ", {address: second[2]})
    web.stamps = False
    alone = listing._entries([address], cache)[address]
    assert alone == [(web.folder / "band.tif").stat().st_size, 0, f"size alone {alone[0]}"]
    (note,) = listing._size_only_remarks("T31TCJ", {address: alone[2]})
    assert f"1 file (first: {address})" in note.text


def test_passwords_are_read_from_netrc(
    web: Web, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.login = "me:SECRET"
    assert "the server responded 401" in refusal(web.url("band.tif"))
    home = tmp_path_factory.mktemp("home")
    (home / ".netrc").write_text("machine 127.0.0.1 login me password SECRET", encoding="utf-8")
    (home / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(home))
    _probe_servers([web.url("band.tif")])
    with open_image(web.url("band.tif")) as source:
        assert np.array_equal(source.read(1), VALUES)
    assert len(fetch(web.url("band.tif"))) > 100


def test_no_sidecar_file_of_an_image_is_requested(web: Web) -> None:
    (web.folder / "band.tif.aux.xml").write_text("<PAMDataset/>", encoding="utf-8")
    (web.folder / "band.tif.msk").write_text("x", encoding="utf-8")
    with rasterio.Env(), open_image(web.url("band.tif")) as source:
        source.read(1, masked=True)
    assert {path for _, path, _ in web.requests} == {"/band.tif"}
