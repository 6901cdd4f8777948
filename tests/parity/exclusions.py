"""Operations of PyTorch's database that Flambeau leaves out, by name, each with its reason."""

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
