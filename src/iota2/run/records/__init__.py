"""What an output folder records of its runs, and who may write there."""
