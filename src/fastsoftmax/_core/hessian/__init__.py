"""Gram matrices of sampled rows, factors of them and solves."""
