"""The public Python interface: scenes, features and models as xarray. Imported through ``iota2`` itself."""
