"""Vectors of one precision and level, and what is built of them alone."""
