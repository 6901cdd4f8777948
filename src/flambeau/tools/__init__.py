"""Work on checkpoint files without JAX: list, compare, verify, convert, edit, merge and split them."""
