"""Which types ``out=`` may have, function by function, and what PyTorch says of the others."""

from typing import Literal, NamedTuple

__all__ = ["RESIZED_SILENTLY", "UNTAPED", "OutputRule", "rule_of", "taped_name"]


class OutputRule(NamedTuple):
    """What the type of ``out`` has to be, given the result's.

    Attributes:
        kind: ``"cast"``: one the result may be stored in; ``"floating"``: the same, but not complex for real numbers;
            ``"same"``: the result's own; ``"any"``: every type; ``"chosen"``: every type, and it is the function's
            argument ``dtype`` if that is not given.
        message: the error of another type; its fields are the function's ``name``, the types' names ``result`` and
            ``out`` as in ``FloatTensor``, and ``c_result`` and ``c_out`` as C++ spells them.
        error: the error's class.
    """

    kind: Literal["cast", "floating", "same", "any", "chosen"]
    message: str = "result type {result} can't be cast to the desired output type {out}"
    error: type[Exception] = RuntimeError


_CAST = OutputRule("cast")
_SAFE = "Expected {what} to be safely castable from {{result}} dtype, but got {what} with dtype {{out}}"
_RESULT = _SAFE.format(what="result")

# The rule of every function that has another than "cast".
_RULES: dict[OutputRule, str] = {
    OutputRule("any"): "eq ge gt le lt ne logical_not logical_and logical_or logical_xor lu bernoulli "
    "special.log_softmax special.softmax",
    OutputRule("chosen"): "cumsum cumprod sum prod",
    OutputRule("same", "Expected out tensor to have dtype {c_result}, but got {c_out} instead"): "addmm addmv baddbmm "
    "bmm mm cross expand_copy diagonal_copy alias_copy lu_unpack lu_solve max min softmax log_softmax aminmax "
    "as_strided_copy avg_pool2d avg_pool3d linear topk view_copy permute_copy qr split_with_sizes_copy slice_scatter "
    "triangular_solve svd gather index_copy index_add index_reduce sort scatter scatter_add unbind_copy unfold_copy "
    "msort renorm diag squeeze_copy take_along_dim unsqueeze_copy transpose_copy tril triu norm t_copy scatter_reduce "
    "isin argmax argmin linalg.cross linalg.det linalg.cholesky linalg.cholesky_ex linalg.eigh linalg.eigvalsh "
    "linalg.ldl_factor linalg.ldl_factor_ex linalg.ldl_solve linalg.qr linalg.slogdet linalg.vector_norm "
    "linalg.lu_factor linalg.lu_factor_ex linalg.lu linalg.lu_solve linalg.inv linalg.inv_ex linalg.solve "
    "linalg.solve_ex linalg.svd linalg.svdvals constant_pad_nd",
    OutputRule("same", "Found dtype {out} but expected {result}"): "abs bitwise_not ceil conj_physical frac floor "
    "softshrink hardshrink gelu neg round sign sgn trunc softplus",
    OutputRule("cast", "torch.cat(): input types can't be cast to the desired output type {out}", TypeError): "cat "
    "column_stack stack hstack vstack dstack _chunk_cat",
    OutputRule("cast", "{name}: " + _RESULT): "cholesky cholesky_inverse cholesky_solve linalg.cond linalg.pinv",
    OutputRule("cast", "{last}: " + _RESULT): "linalg.matrix_power linalg.tensorinv linalg.tensorsolve matrix_power",
    OutputRule("cast", "torch.{name}: " + _RESULT): "linalg.householder_product linalg.matrix_rank",
    OutputRule("cast", "torch.{name}: " + _SAFE.format(what="a")): "geqrf",
    OutputRule("cast", "torch.{name}: " + _SAFE.format(what="solution")): "linalg.lstsq",
    OutputRule("cast", "torch.{name}: " + _SAFE.format(what="eigenvalues")): "linalg.eig linalg.eigvals",
    OutputRule("same", "expected scalar_type {result} but found {out}"): "cummax cummin diff logcumsumexp",
    OutputRule("same", "expected scalar type {result} but found {out}"): "native_batch_norm _native_batch_norm_legit "
    "log_sigmoid_forward logsigmoid linalg.solve_triangular",
    OutputRule("cast", "{name} expects a complex output tensor, but got {out}"): "fft.fft fft.rfft fft.ifft fft.ihfft",
    OutputRule("cast", "{name}: result type {result} can't be cast to the desired output type {result}"): "mvlgamma",
    OutputRule("same", "{name} does not support non-boolean outputs."): "signbit isposinf isneginf",
    OutputRule("same", "Expected object of scalar type {result} but got scalar type {out} for argument 'out'"):
        "complex polar",
    OutputRule("same", "{name}(): self and result must have the same scalar type"): "masked_select index_select",
    OutputRule("same", "{name} only supports bool tensor for result, got: {out}"): "all any",
    OutputRule("same", "Expected the dtype for input and out to match, but got {result} for input's dtype and {out} "
               "for out's dtype."): "amax amin",
    OutputRule("floating"): "std var",
    OutputRule("floating", '"nansum_cpu" not implemented for \'{out}\'', NotImplementedError): "nansum nanmean",
    OutputRule("same", "result dtype {out} does not match input dtype {result}"): "dot vdot",
    OutputRule("same", "self and mat2 must have the same dtype, but got {out} and {result}"): "addbmm",
    OutputRule("same", "addmv input tensors must have the same dtype, but got {out}, {result}, and {result}"): "mv "
    "matmul linalg.matmul",
    OutputRule("same", "torch.{name}() expects mantissa to have dtype {c_result} but got {c_out}"): "frexp",
    OutputRule("same", "output values must be of same type as input"): "kthvalue",
    OutputRule("cast", "{name} can't be cast to the desired output type {out}"): "ldexp",
    OutputRule("same", "quantile() out tensor must be same dtype as the input tensor"): "quantile nanquantile",
    OutputRule("same", "{name} is not yet implemented for tensors with different dtypes."): "heaviside",
    OutputRule("same", "expected scalar type '{result}' but got '{out}' for values output"): "mode",
    OutputRule("same", "Expected self.dtype() == output.dtype() to be true, but got false.  (Could this error message "
               "be improved?  If so, please report an enhancement request to PyTorch.)"): "narrow_copy",
    OutputRule("same", "torch.{name}: Expected input and result to have the same dtype, but input has dtype{result} "
               "and result has dtype {out}"): "ormqr",
    OutputRule("same", "the output given to {name} has dtype {out} but the operation's result requires dtype "
               "{result}"): "float_power",
    OutputRule("same", "{name}: dtype of out: {out} should be same as input: {result}"): "nan_to_num",
    OutputRule("same", "{name}(): self and out expected to have the same dtype, but got self.dtype = {result} and "
               "out.dtype = {out}"): "take",
    OutputRule("cast", '"normal_kernel_cpu" not implemented for \'{out}\'', NotImplementedError): "normal",
    OutputRule("cast", "{name}(): Expected floating point type for result tensor, but got: {out}"): "logsumexp",
    OutputRule("same", "{name}: Expected the output tensor to have dtype {result}, but got an output tensor with dtype "
               "{out}"): "tensordot",
    OutputRule("same", "Expected out type to be {result} but got {out}"): "where",
    OutputRule("same", "torch.histogram: input tensor and hist tensor should have the same dtype, but got input "
               "{c_result} and hist {c_out}"): "histogram histc",
    OutputRule("same", "{name}: Expected out tensor to have scalar type {result} but got scalar type{out}"): "nonzero",
    OutputRule("same", "torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) "
               "depending on whether out_int32 flag is True, but we got output tensor's dtype {out} and out_int32 flag "
               "is False"): "searchsorted bucketize",
    OutputRule("same", "{name} expected out tensor dtype {result} but got: {out}"): "linalg.matrix_norm linalg.norm",
    OutputRule("same", "{last}(): expected out tensor to have dtype {c_result} but got {c_out}"): "linalg.multi_dot",
    OutputRule("same", "{name}: Expected out of dtype{result} but found {out}"): "linalg.vecdot",
    OutputRule("same", "Expected result to be of dtype uint64, but got {out}"): "hash_tensor",
}  # fmt: skip
_RULE_OF = {name: rule for rule, names in _RULES.items() for name in names.split()}

# Functions whose results with ``out`` PyTorch resizes without a warning.
RESIZED_SILENTLY = frozenset(
    "addbmm linspace logspace lu logsigmoid narrow_copy randn rand ones zeros full empty eye "
    "multinomial bernoulli".split()
)

# Functions with ``out`` that PyTorch does not refuse for inputs that require grad: what they write has no gradient.
UNTAPED = frozenset(
    "conj_physical diff expand_copy diag diagonal_copy alias_copy eq floor_divide ge gt isin le linspace logspace "
    "logical_not lt lu quantile nanquantile logical_and logical_or logical_xor heaviside softmax log_softmax "
    "as_strided_copy ne view_copy permute_copy slice_scatter signbit isposinf isneginf multinomial _chunk_cat "
    "histogram histc bucketize searchsorted unfold_copy squeeze_copy unsqueeze_copy transpose_copy tensordot "
    "nonzero t_copy all any argmax argmin hash_tensor bitwise_not arange eye zeros ones full empty randn rand "
    "linalg.cond linalg.eigvals linalg.ldl_factor linalg.ldl_factor_ex linalg.ldl_solve linalg.matrix_power "
    "linalg.matrix_norm linalg.matrix_rank linalg.norm linalg.tensorinv linalg.tensorsolve matrix_power "
    "split_with_sizes_copy unbind_copy fft.ifft fft.ihfft special.ndtr special.airy_ai special.bessel_j0 "
    "special.bessel_j1 special.bessel_y0 special.bessel_y1 special.modified_bessel_i0 special.modified_bessel_i1 "
    "special.modified_bessel_k0 special.modified_bessel_k1 special.scaled_modified_bessel_k0 "
    "special.scaled_modified_bessel_k1 special.spherical_bessel_j0".split()
)

# Where PyTorch's refusal names the operation inside, not the function called.
_INSIDE: dict[str, str] = {
    "div": "true_divide normalize",
    "mul": "outer ger kron inner",
    "pow": "float_power square",
    "cat": "column_stack hstack vstack dstack",
    "sum": "linalg.vecdot",
    "mm": "linalg.multi_dot",
    "sort": "msort",
    "gather": "take_along_dim",
    "nansum": "nanmean",
    "log_sigmoid_forward": "logsigmoid",
    "linalg_vector_norm": "norm",
    "linalg_cross": "cross",
    "linalg_inv_ex": "inverse linalg.inv",
    "linalg_qr": "qr",
    "polygamma": "special.polygamma",
    "linalg_lu_solve": "lu_solve",
    "linalg_lu_factor_ex": "linalg.lu_factor",
    "linalg_cholesky_ex": "linalg.cholesky",
    "_linalg_solve_ex": "linalg.solve linalg.solve_ex",
    "_linalg_svd": "svd linalg.svd linalg.svdvals",
    "_linalg_eigh": "linalg.eigh linalg.eigvalsh",
    "_linalg_det": "det linalg.det",
    "_linalg_slogdet": "slogdet linalg.slogdet",
    "linalg_householder_product": "orgqr",
    "_fft_r2c": "fft.fft fft.rfft fft.rfft2 fft.rfftn",
    "_fft_c2c": "fft.fft2 fft.fftn fft.ifft2 fft.ifftn fft.ihfft2 fft.ihfftn",
    "_fft_c2r": "fft.hfft fft.hfft2 fft.hfftn fft.irfft fft.irfft2 fft.irfftn",
}
_INSIDE_OF = {name: inside for inside, names in _INSIDE.items() for name in names.split()}


def rule_of(name: str) -> OutputRule:
    """The rule of a function, by its name without ``torch.``."""
    return _RULE_OF.get(name, _CAST)


def taped_name(name: str) -> str:
    """The operation that PyTorch's refusal of gradients names."""
    return _INSIDE_OF.get(name, name.replace(".", "_"))
