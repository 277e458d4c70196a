"""Networks of dense layers."""
