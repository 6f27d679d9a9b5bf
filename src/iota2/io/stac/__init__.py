"""Which products an archive has, from STAC items."""
