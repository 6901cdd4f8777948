"""PyTorch's ``torch.backends.cuda``: settings of products of matrices, kept and read back.

Source: https://docs.pytorch.org/docs/stable/backends.html#torch-backends-cuda
"""

from dataclasses import dataclass

from flambeau.devices.backend import available

__all__ = ["is_built", "matmul"]


@dataclass
class Products:
    """What may be rounded in products of matrices."""

    allow_tf32: bool = False
    allow_fp16_reduced_precision_reduction: bool = True
    allow_bf16_reduced_precision_reduction: bool = True
    allow_fp16_accumulation: bool = False


matmul = Products()


def is_built() -> bool:
    """Whether JAX has what NVIDIA GPUs need, and sees one.

    Source: https://docs.pytorch.org/docs/stable/backends.html#torch.backends.cuda.is_built
    """
    return available("cuda") > 0
