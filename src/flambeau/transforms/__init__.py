"""Transforms of functions: derivatives and ``vmap``, as ``flambeau.func`` shows them."""
