"""Survey of the inputs before a run: images, reference data, regions, and the required memory and disk."""
