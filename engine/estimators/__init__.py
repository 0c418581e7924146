"""Estimators: an accuracy signal for an assignment without training it.

Each file holds one, as a function

    score(net, assignments, *, images | split ..., seed, pause) -> list[float]

with one number for each assignment, higher meaning better, the same for the same seed. ``net`` is
never changed. ``pause`` is called between assignments. Scores of one call compare with each
other; between calls they compare if net, data and seed are the same.
"""
