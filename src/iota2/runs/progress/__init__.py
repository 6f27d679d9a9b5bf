"""Reports on a run, during the run and afterwards."""
