"""Loss, gradient and logits of dense X."""
