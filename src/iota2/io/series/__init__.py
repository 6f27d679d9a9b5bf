"""Block-wise reading of the pixels of a scene."""
