"""The pixels of a scene, block by block."""
