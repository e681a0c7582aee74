"""Comparisons and measurements, each in a folder of its own."""
