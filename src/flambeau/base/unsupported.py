"""What PyTorch has and Flambeau does not, by name, each with the reason: asking for one says so.

``hasattr`` says False of these names, and ``getattr`` with a default gives the default, as for any name that is not
there; the error is a ``NotImplementedError`` as well, which names what was asked for.
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["FUNCTIONS", "METHODS", "MODULES", "PROCESSES", "UnsupportedName", "missing"]


class UnsupportedName(NotImplementedError, AttributeError):  # noqa: N818  (as the names in base/errors.py)
    """A name of PyTorch that is left out on purpose."""


def missing(module: str, name: str, *tables: Mapping[str, str]) -> AttributeError:
    """The error for a name that a module has not.

    Args:
        module: what follows the package's name in the module's: ``""``, ``".distributed"``.
        name: what was asked for.
        tables: reasons by name, of what PyTorch's module has and is left out.
    """
    for table in tables:
        if name in table:
            return UnsupportedName(f"torch{module}.{name} is not supported: {table[name]}")
    return AttributeError(f"module 'flambeau{module}' has no attribute '{name}'")


_SPARSE = "there are no sparse tensors; use dense ones"
_QUANTIZED = "there are no quantized tensors; torch.float8_e4m3fn and int8 are ordinary data types"
_VENDOR = "it is one vendor's kernel; use the function without the vendor's name"
_NATIVE = "it is a step of PyTorch's own kernels; use the function it serves"
_SCRIPT = "there is no TorchScript; every function is compiled when its results are looked at"
_TRACED = "there are no symbolic sizes; programs are compiled for the sizes at hand"
_COMPLEX32 = "XLA has no complex numbers of 32 bits; use complex64"
_STORAGE = "tensors do not share their memory with anything that can be named"
_DEVICES = "devices are those of JAX: cpu, cuda, tpu"
_THREADS = "XLA chooses the number of its threads"
_GONE = "PyTorch has only an error that names its successor in torch.linalg"
_BUILD = "nothing is built against this package's C++"
_ELSEWHERE = "it is an experiment of PyTorch's own"


def _table(rows: dict[str, str]) -> dict[str, str]:
    """Reasons by name, of names by reason."""
    return {name: reason for reason, names in rows.items() for name in names.split()}


FUNCTIONS: Final = _table(
    {
        _SPARSE: (
            "ccol_indices_copy col_indices_copy crow_indices_copy dsmm hsmm hspmm indices_copy native_norm "
            "resize_as_sparse_ row_indices_copy saddmm smm sparse_bsc_tensor sparse_bsr_tensor "
            "sparse_compressed_tensor sparse_coo_tensor sparse_csc_tensor sparse_csr_tensor spmm sspaddmm values_copy"
        ),
        _QUANTIZED: (
            "choose_qparams_optimized dequantize empty_quantized fake_quantize_per_channel_affine "
            "fake_quantize_per_tensor_affine fbgemm_linear_fp16_weight fbgemm_linear_fp16_weight_fp32_activation "
            "fbgemm_linear_int8_weight fbgemm_linear_int8_weight_fp32_activation fbgemm_linear_quantize_weight "
            "fbgemm_pack_gemm_matrix_fp16 fbgemm_pack_quantized_matrix fused_moving_avg_obs_fake_quant int_repr "
            "q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point "
            "quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic quantized_batch_norm "
            "quantized_gru_cell quantized_lstm_cell quantized_max_pool1d quantized_max_pool2d quantized_max_pool3d "
            "quantized_rnn_relu_cell quantized_rnn_tanh_cell qscheme qint32 qint8 quint2x4 quint4x2 quint8"
        ),
        _VENDOR: (
            "cudnn_affine_grid_generator cudnn_batch_norm cudnn_convolution cudnn_convolution_add_relu "
            "cudnn_convolution_relu cudnn_convolution_transpose cudnn_grid_sampler cudnn_is_acceptable "
            "miopen_batch_norm miopen_convolution miopen_convolution_add_relu miopen_convolution_relu "
            "miopen_convolution_transpose miopen_ctc_loss miopen_depthwise_convolution miopen_rnn "
            "mkldnn_adaptive_avg_pool2d mkldnn_convolution mkldnn_linear_backward_weights mkldnn_max_pool2d "
            "mkldnn_max_pool3d mkldnn_rnn_layer"
        ),
        _NATIVE: (
            "batch_norm_backward_elemt batch_norm_backward_reduce batch_norm_elemt batch_norm_gather_stats "
            "batch_norm_gather_stats_with_counts batch_norm_stats batch_norm_update_stats"
        ),
        _SCRIPT: (
            "classproperty fork get_file_path import_ir_module import_ir_module_from_buffer "
            "merge_type_from_type_comment parse_ir parse_schema parse_type_comment unify_type_list wait"
        ),
        _TRACED: (
            "SymBool SymFloat SymInt sym_constrain_range sym_constrain_range_for_size sym_float sym_fresh_size "
            "sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum while_loop"
        ),
        _COMPLEX32: "chalf complex32",
        _STORAGE: (
            "BoolStorage ByteStorage CharStorage DoubleStorage FloatStorage IntStorage LongStorage ShortStorage "
            "TypedStorage UntypedStorage from_file"
        ),
        _DEVICES: (
            "get_autocast_ipu_dtype get_autocast_xla_dtype is_autocast_ipu_enabled is_autocast_xla_enabled "
            "set_autocast_ipu_dtype set_autocast_ipu_enabled set_autocast_xla_dtype set_autocast_xla_enabled"
        ),
        _THREADS: "init_num_threads",
        _BUILD: "compiled_with_cxx11_abi",
        _GONE: "eig lstsq matrix_rank solve symeig",
        _ELSEWHERE: (
            "prepare_multiprocessing_environment profiler_allow_cudagraph_cupti_lazy_reinit_cuda12 slice_inverse"
        ),
    }
)

METHODS: Final = _table(
    {
        _SPARSE: (
            "ccol_indices coalesce col_indices crow_indices dense_dim indices is_coalesced resize_as_sparse_ "
            "row_indices smm sparse_dim sparse_mask sparse_resize_ sparse_resize_and_clear_ sspaddmm to_sparse "
            "to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr values"
        ),
        _QUANTIZED: (
            "dequantize int_repr q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale "
            "q_zero_point qscheme"
        ),
        _VENDOR: "to_mkldnn",
        _COMPLEX32: "chalf",
        _STORAGE: "storage storage_type untyped_storage",
        _DEVICES: "ipu mtia xpu",
        _GONE: "eig lstsq solve symeig",
        _ELSEWHERE: "index slice_inverse",
        "there are no tensors of tensors": "to_padded_tensor",
    }
)

MODULES: Final = _table(
    {
        _SPARSE: "sparse",
        _QUANTIZED: "ao quantization",
        _SCRIPT: "jit package classes",
        "programs are compiled from what is recorded, not from a graph of Python code": "export fx",
        _DEVICES: "mps mtia xpu",
        "kernels are not registered by name": "library ops",
        "there are no tensors of tensors": "nested",
        "use jax.profiler": "profiler",
        _ELSEWHERE: "cpp futures hub monitor",
    }
)

# Of ``torch.distributed``.
PROCESSES: Final = _table(
    {
        "a program is one process": (
            "Backend BackendConfig DeviceMesh DistBackendError DistError DistNetworkError DistStoreError FileStore "
            "GradBucket GroupMember HashStore P2POp PrefixStore ProcessGroup ProcessGroupGloo ReduceOp Reducer Store "
            "TCPStore Work all_gather all_gather_coalesced all_gather_into_tensor all_gather_object all_reduce "
            "all_reduce_coalesced all_to_all all_to_all_single barrier batch_isend_irecv broadcast "
            "broadcast_object_list destroy_process_group gather gather_object get_backend get_backend_config "
            "get_global_rank get_group_rank get_node_local_rank get_process_group_ranks get_rank get_world_size group "
            "init_device_mesh init_process_group irecv is_backend_available is_gloo_available is_mpi_available "
            "is_nccl_available is_torchelastic_launched is_ucc_available isend monitored_barrier new_group "
            "new_subgroups new_subgroups_by_enumeration recv recv_object_list reduce reduce_op reduce_scatter "
            "reduce_scatter_tensor rpc scatter scatter_object_list send send_object_list split_group"
        ),
    }
)
