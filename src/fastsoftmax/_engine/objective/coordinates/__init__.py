"""What a solver's vector θ means, for each kind of X."""
