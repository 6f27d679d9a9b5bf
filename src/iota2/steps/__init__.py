"""The steps of a run, one per module, each *read → compute → write*; the order of steps is defined in ``chains``."""
