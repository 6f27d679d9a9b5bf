"""The chains of steps, one module for each builder."""
