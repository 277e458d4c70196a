"""Folds and their scores."""
