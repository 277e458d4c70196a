"""Newton's method for small problems, from the first step to the proof, in one call."""
