"""Assets of a STAC item: selection for a band or mask, and path or address of the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pystac

from iota2.core.sensor import BandSpec, MaskRule
from iota2.errors import InputError
from iota2.io.files.addresses import is_remote, secret_in, without_secrets
from iota2.io.stac.items import FoundItem, absolute_address

_PREVIEW_ROLES = {"thumbnail", "overview", "visual"}
"""Roles of assets that are previews without measured values."""


def names_of(part: BandSpec | MaskRule) -> tuple[str, ...]:
    """Possible asset names of a band or mask, the preferred name first."""
    return tuple(dict.fromkeys((*part.assets, part.name)))


def asset_of(item: pystac.Item, part: BandSpec | MaskRule) -> pystac.Asset | None:
    """The asset of a band or mask, found by its key, else by the names of its bands; None without a match.

    Raises InputError when several assets match.
    """
    names = names_of(part)
    for name in names:
        if name in item.assets:
            return item.assets[name]
    fitting = {
        key: asset
        for key, asset in item.assets.items()
        if not _PREVIEW_ROLES & set(asset.roles or ()) and _band_names(asset, getattr(part, "index", 1)) & {*names}
    }
    if len(fitting) > 1:
        raise InputError(f"the assets {', '.join(fitting)} all contain {part.name}, one is expected")
    return next(iter(fitting.values()), None)


def band_entry(asset: pystac.Asset, index: int, kind: str) -> Mapping[str, Any]:
    """Properties of band ``index`` (from 1) of an asset, from ``kind`` (STAC 1.0) or ``bands`` (STAC 1.1)."""
    for name in (kind, "bands"):
        bands = asset.extra_fields.get(name)
        if isinstance(bands, list) and len(bands) >= index and isinstance(bands[index - 1], dict):
            return bands[index - 1]
    return {}


def _band_names(asset: pystac.Asset, index: int) -> set[str]:
    entry = band_entry(asset, index, "eo:bands")
    return {str(entry[word]) for word in ("name", "common_name", "eo:common_name") if word in entry}


def file_of(asset: pystac.Asset, found: FoundItem, *, remote: bool) -> str:
    """Path or address of the file of an asset.

    Raises InputError for a file that must not be read: any address without ``remote``, an address that may contain a
    secret, an address with another protocol than http and https, and a local file in an item from a server.
    """
    address = absolute_address(asset.href, found.base)
    if is_remote(address):
        if not remote:
            raise InputError(
                f"{without_secrets(address)}: is on a web server. Set stac_items.remote to True, or download the files "
                "and give their paths in the item"
            )
        if secret := secret_in(address):
            raise InputError(
                f"{without_secrets(address)}: the address contains {secret}. Signed addresses expire, and iota2 would "
                "store them: use unsigned addresses, or download the files"
            )
    return address
