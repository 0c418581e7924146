"""Quantisation and conversion to what a runtime eats."""
