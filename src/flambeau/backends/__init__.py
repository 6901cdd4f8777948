"""PyTorch's ``torch.backends``: settings of vendors' libraries, which programs make before they begin.

They are kept and read back. None changes anything: XLA chooses the kernels, and its programs give the same numbers each
time they run.

Source: https://docs.pytorch.org/docs/stable/backends.html
"""

from flambeau.backends import cuda, cudnn, mkldnn, mps

__all__ = ["cuda", "cudnn", "mkldnn", "mps"]
