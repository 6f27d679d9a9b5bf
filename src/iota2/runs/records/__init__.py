"""Records of runs in an output folder, and its lock."""
