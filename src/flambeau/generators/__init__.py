"""Host-side random streams that draw the values PyTorch's CPU generator draws.

`streams` holds the stream and its state, `draws` the distributions. Everything here is NumPy.
"""
