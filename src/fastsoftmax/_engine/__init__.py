"""What fits: data, objective and solvers. Nothing in here knows of estimators."""
