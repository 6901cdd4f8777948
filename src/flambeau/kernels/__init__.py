"""Native kernels for the CPU, where XLA's own are slow: C++ on oneDNN behind JAX's foreign function interface."""
