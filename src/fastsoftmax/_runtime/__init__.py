"""What any package may need: threads, dtypes, progress, versions, scikit-learn's base classes."""
