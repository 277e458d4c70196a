"""What an estimator is asked to fit, as an objective."""
