"""Nodes in, values out: cuts the pending graph into programs, compiles each structure once, and runs them."""
