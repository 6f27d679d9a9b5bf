"""The pages on a run: calendar, graph of jobs, workers."""
