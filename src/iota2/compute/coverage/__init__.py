"""Polygons of the patches of a label raster, as a coverage: neighbours have common vertices, without gap or overlap.

The raster is divided into cells. The lines of a cell are drawn, simplified and smoothed without the other cells,
because the boundary of a cell does not move. Pieces of a patch in several cells are joined afterwards.
"""
