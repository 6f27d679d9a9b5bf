"""Classifiers of scikit-learn: found by name, searched over a grid, kept without pickle."""
