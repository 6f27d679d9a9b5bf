"""The rasters that runs write."""
