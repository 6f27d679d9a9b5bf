"""Which products an archive has, from names and headers."""
