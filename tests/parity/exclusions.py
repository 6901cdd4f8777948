"""What Flambeau leaves out of PyTorch's database, each with its reason: operations by name, errors by number."""

_JITERATOR = "compiles CUDA source at run time"
_SPARSE = "sparse tensors are not supported"
_FLOAT8 = "a matrix product of float8 numbers with scales, for CUDA"
_COMPLEX32 = "XLA has no complex numbers of 32 bits"
_STRIDES = "strides that leave gaps or repeat elements: XLA chooses memory layouts by itself"
_PRIVATE = "a private operator of PyTorch's own kernels, which no public name calls by these arguments"
_ATEN = "a private kernel behind scaled_dot_product_attention"

EXCLUDED = {
    "chalf": _COMPLEX32,
    "empty_strided": _STRIDES,
    "new_empty_strided": _STRIDES,
    "jiterator_unary": _JITERATOR,
    "jiterator_binary": _JITERATOR,
    "jiterator_4inputs_with_extra_args": _JITERATOR,
    "jiterator_binary_return_by_ref": _JITERATOR,
    "jiterator_2inputs_2outputs": _JITERATOR,
    "_batch_norm_with_update": _PRIVATE,
    "_chunk_cat": _PRIVATE,
    "_native_batch_norm_legit": _PRIVATE,
    "_softmax_backward_data": _PRIVATE,
    "_unsafe_masked_index": _PRIVATE,
    "_unsafe_masked_index_put_accumulate": _PRIVATE,
    "_upsample_bilinear2d_aa": _PRIVATE,
    "max_pool2d_with_indices_backward": _PRIVATE,
    "native_dropout_backward": _PRIVATE,
    "slice": _PRIVATE,
    "torch.ops.aten._safe_softmax.default": _PRIVATE,
    "sparse.mm": _SPARSE,
    "sparse.sampled_addmm": _SPARSE,
    "to_sparse": _SPARSE,
    "torch._scaled_mm": _FLOAT8,
    "torch._scaled_mm_v2": _FLOAT8,
    "torch.ops.aten._flash_attention_forward": _ATEN,
    "torch.ops.aten._efficient_attention_forward": _ATEN,
}

_OVERLOADS = "PyTorch lists the C++ overloads; Flambeau names the argument"
_SLOTS = "PyTorch's operators are slots of a C type, which refuse any other first operand; called by name only"
_DIMENSIONS = "NumPy's arrays, which values come from, have at most 64 dimensions"
_INTERNAL = "PyTorch shows an internal check"


def _numbered(rows: dict[str, str]) -> dict[tuple[str, int], str]:
    """Reasons by name and number, of lines like ``"pow 0; clamp_min 1 2"`` by reason."""
    found: dict[tuple[str, int], str] = {}
    for reason, text in rows.items():
        for line in text.split(";"):
            name, *numbers = line.split()
            found.update({(name, int(number)): reason for number in numbers})
    return found


# Error inputs of an operation, by number, whose error differs from PyTorch's.
ERRORS = _numbered(
    {
        _OVERLOADS: (
            "clamp_max 1 2; clamp_min 1 2; max.binary 1 2; min.binary 1 2; rsub 0 1; pow 0; float_power 0; xlogy 0; "
            "remainder 0; bitwise_left_shift 0; bitwise_right_shift 0; bitwise_and 0; bitwise_or 0; bitwise_xor 0; "
            "linspace 1; linspace.tensor_overload 1; logspace 1; logspace.tensor_overload 1; hsplit 2; vsplit 2"
        ),
        _SLOTS: "__radd__ 0 1; __rdiv__ 0 1; __rmul__ 0 1; __rand__ 0 1; __ror__ 0 1; __rxor__ 0 1",
        _DIMENSIONS: "amax 1 2; amin 1 2; aminmax 1 2",
        _INTERNAL: "narrow_copy 1",
    }
)
