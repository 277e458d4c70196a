"""What solvers compute without X: lines, the dual point, vectors, coordinate descent."""
