"""One file per step, each *read → compute → write*; ``chain`` says which steps make which chain."""
