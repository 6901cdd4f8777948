"""Differentiation: nodes in, nodes out; it records what computes gradients and never computes any itself."""
