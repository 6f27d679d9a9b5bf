"""Reading of the pixels of a scene, block by block."""
