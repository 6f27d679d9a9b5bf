"""Rasters that runs write, and their styles."""
