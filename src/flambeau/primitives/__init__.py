"""The vocabulary: pure JAX functions, one family a file, wrapped so that the record can hold them."""
