"""Rasters written by runs, and their QGIS styles."""
