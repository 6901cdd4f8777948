"""Devices: PyTorch's spelling of them, and the JAX devices behind it."""
