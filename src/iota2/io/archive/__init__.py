"""Products of an archive, found by file names and image headers."""
