"""Softmax, cross-entropy and the logistic function, of tiles and of arrays."""
