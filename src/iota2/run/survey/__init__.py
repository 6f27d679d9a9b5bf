"""What is known before anything runs: images, reference data, regions, and what the run will need."""
