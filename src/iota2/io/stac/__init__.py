"""Products of an archive, found by STAC items."""
