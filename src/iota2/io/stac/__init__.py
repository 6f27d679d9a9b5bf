"""Search for the products of an archive, by STAC items."""
