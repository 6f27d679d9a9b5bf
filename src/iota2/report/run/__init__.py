"""HTML pages that describe a run: calendar of inputs, job graph, timeline of the workers."""
