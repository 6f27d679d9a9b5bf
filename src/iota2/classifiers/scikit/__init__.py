"""Classifiers of scikit-learn: found by name, searched over a grid, stored without pickle."""
