"""Standard errors, intervals and tests of fitted coefficients."""
