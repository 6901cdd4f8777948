"""Data types: what a number is, how types combine, and their limits."""
