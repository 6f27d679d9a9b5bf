"""iota2 makes land-cover maps of large areas from satellite image time series and labelled polygons."""

__version__ = "0.1.0"
