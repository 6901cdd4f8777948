"""Which operations autocast runs in which precision: PyTorch's lists, by the names of our primitives.

Functions that are made of several primitives, such as some losses, stand here under their own names; they ask for their
inputs' types themselves (``tensors.core.operands``).

Source: https://docs.pytorch.org/docs/stable/amp.html#autocast-op-reference
"""

from typing import Final

__all__ = ["BANNED", "RULES", "contracts"]

_PRODUCTS = (
    "addbmm addmm attention baddbmm bmm convolution convolution_transpose einsum linear matmul matrix_power "
    "recurrent_cell recurrent_layer"
)
_LOSSES = (
    "binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy hinge_embedding_loss huber_loss kl_div "
    "l1_loss margin_ranking_loss mse_loss multi_label_margin multi_margin nll_loss nll_loss2d poisson_nll_loss "
    "smooth_l1_loss soft_margin_loss triplet_margin_loss"
)

_CPU: Final = {
    "lower": f"{_PRODUCTS} tensordot vecdot",
    "full": f"{_LOSSES} adaptive_avg_pool3d adaptive_max_pool3d avg_pool3d binary_cross_entropy cholesky cholesky_ex "
    "complete_qr ctc_loss distances eigen eigenvalues fractional_max_pool2d fractional_max_pool3d geqrf "
    "grid_sampler_2d grid_sampler_3d hermitian_eigen hermitian_eigenvalues householder_product inverse inverse_ex "
    "lu_factor matrix_rank max_pool3d max_pool_with_indices3d max_unpool2d max_unpool3d polar prod pseudo_inverse qr "
    "quantile reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d replication_pad3d singular_values "
    "solve solve_ex svd trace",
    "widest": "cat index_copy stack",
}
_ACCELERATOR: Final = {
    "lower": f"{_PRODUCTS} addmv addr mv prelu vecdot",
    "full": f"{_LOSSES} acos asin cosh cosine_similarity cumprod cumsum distances erfinv exp expm1 float_power "
    "group_norm layer_norm log log10 log1p log2 log_softmax matrix_norm power power_static prod reciprocal rsqrt sinh "
    "softmax softplus sum tan vector_norm",
    "widest": "atan2 bilinear cat cross dot grid_sampler_2d grid_sampler_3d index_put scatter stack tensordot",
}


def _by_name(lists: dict[str, str]) -> dict[str, str]:
    return {name: rule for rule, names in lists.items() for name in names.split()}


RULES: Final[dict[str, dict[str, str]]] = {
    "cpu": _by_name(_CPU),
    "cuda": _by_name(_ACCELERATOR),
    "tpu": _by_name(_ACCELERATOR),
}
"""Kind of device -> operation -> ``"lower"`` (the type of autocast), ``"full"`` (float32) or ``"widest"``."""

BANNED: Final = {
    ("cuda", "binary_cross_entropy"): (
        "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
        "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
        "In this case, combine the two layers using torch.nn.functional.binary_cross_entropy_with_logits\n"
        "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\n"
        "safe to autocast."
    )
}
"""(Kind of device, name of the operation) -> text of the error that it raises."""


def contracts(equation: str) -> bool:
    """Whether a sum of ``einsum`` goes over an index of two operands, so that it is a product of matrices."""
    operands, _, result = equation.replace(" ", "").partition("->")
    parts = operands.split(",")
    return any(
        sum(letter in part for part in parts) > 1 and letter not in result for letter in set(operands) - {",", "."}
    )
