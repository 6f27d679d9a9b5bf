"""Search for the products of an archive, by file names and image headers."""
