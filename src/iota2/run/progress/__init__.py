"""What is reported of a run while it goes on and afterwards."""
