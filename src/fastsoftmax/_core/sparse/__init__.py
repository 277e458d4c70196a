"""Loss, gradient, logits and preconditioner of sparse X."""
