"""Which public name lives in which module. Made by scripts/doorplate.py; do not edit."""

_NAMES: dict[str, str] = {
    "flambeau.tensors.tensor": """
        Tensor
    """,
    "flambeau.tensors.creation": """
        as_tensor asarray complex empty empty_like empty_strided from_dlpack from_numpy frombuffer full full_like
        get_default_dtype ones ones_like polar scalar_tensor set_default_dtype tensor to_dlpack zeros zeros_like
    """,
    "flambeau.tensors.ranges": """
        arange eye linspace logspace range
    """,
    "flambeau.tensors.index_ranges": """
        empty_permuted tril_indices triu_indices
    """,
    "flambeau.tensors.binning": """
        histogram histogramdd
    """,
    "flambeau.tensors.parts": """
        view_as_complex view_as_real
    """,
    "flambeau.tensors.slopes": """
        gradient
    """,
    "flambeau.nn.functional.native": """
        _log_softmax_backward_data _native_batch_norm_legit _softmax_backward_data constant_pad_nd grid_sampler
        grid_sampler_2d grid_sampler_3d native_batch_norm native_dropout native_group_norm native_layer_norm
    """,
    "flambeau.nn.functional.aten": """
        adaptive_max_pool1d affine_grid_generator alpha_dropout alpha_dropout_ batch_norm
        binary_cross_entropy_with_logits convolution cosine_embedding_loss ctc_loss dropout dropout_ embedding
        embedding_bag embedding_renorm_ feature_alpha_dropout feature_alpha_dropout_ feature_dropout feature_dropout_
        frobenius_norm group_norm hinge_embedding_loss instance_norm kl_div layer_norm log_softmax margin_ranking_loss
        max_pool1d_with_indices nuclear_norm poisson_nll_loss softmax triplet_margin_loss
    """,
    "flambeau.tensors.segments": """
        segment_reduce
    """,
    "flambeau.tensors.selection": """
        unravel_index
    """,
    "flambeau.tensors.legacy": """
        BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor
        ShortTensor set_default_tensor_type
    """,
    "flambeau.tensors.windows": """
        bartlett_window blackman_window hamming_window hann_window kaiser_window
    """,
    "flambeau.tensors.random": """
        Generator bernoulli get_rng_state initial_seed manual_seed multinomial normal rand rand_like randint
        randint_like randn randn_like randperm seed set_rng_state
    """,
    "flambeau.tensors.counts": """
        binomial poisson
    """,
    "flambeau.tensors.generator": """
        default_generator drawn thread_safe_generator
    """,
    "flambeau.tensors.printing": """
        set_printoptions
    """,
    "flambeau.base.shapes": """
        Size
    """,
    "flambeau.devices.device": """
        device get_default_device set_default_device
    """,
    "flambeau.dtypes.kinds": """
        dtype
    """,
    "flambeau.dtypes.layouts": """
        layout memory_format
    """,
    "flambeau.dtypes.limits": """
        finfo iinfo
    """,
    "flambeau.differentiation.modes": """
        enable_grad inference_mode is_grad_enabled is_inference_mode_enabled no_grad set_grad_enabled
    """,
    "flambeau.serialization.loading": """
        load
    """,
    "flambeau.serialization.saving": """
        save
    """,
    "flambeau.inspection.configuration": """
        show_config
    """,
    "flambeau.inspection.summary": """
        summary
    """,
    "flambeau.transforms.vmap": """
        vmap
    """,
    "flambeau.compiler.compiling": """
        compile
    """,
    "flambeau.amp.state": """
        autocast_decrement_nesting autocast_increment_nesting clear_autocast_cache get_autocast_cpu_dtype
        get_autocast_dtype get_autocast_gpu_dtype is_autocast_cache_enabled is_autocast_cpu_enabled is_autocast_enabled
        set_autocast_cache_enabled set_autocast_cpu_dtype set_autocast_cpu_enabled set_autocast_dtype
        set_autocast_enabled set_autocast_gpu_dtype
    """,
    "flambeau.autograd.anomaly_mode": """
        is_anomaly_check_nan_enabled is_anomaly_enabled set_anomaly_enabled
    """,
    "flambeau.amp.autocast_mode": """
        autocast
    """,
    "flambeau.functions.branching": """
        cond
    """,
    "flambeau.functions.copies": """
        alias_copy as_strided_copy detach_copy diagonal_copy expand_copy permute_copy select_copy slice_copy split_copy
        split_with_sizes_copy squeeze_copy t_copy transpose_copy unbind_copy unfold_copy unsqueeze_copy
        view_as_complex_copy view_as_real_copy view_copy
    """,
    "flambeau.functions.indexing": """
        argwhere diag diag_embed diagflat gather index_add index_copy index_fill index_put index_put_ index_select
        masked_scatter masked_select nonzero put scatter scatter_add scatter_reduce take take_along_dim tril triu where
    """,
    "flambeau.functions.joining": """
        atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors broadcast_to cartesian_prod cat
        chunk column_stack combinations concat concatenate dsplit dstack flip fliplr flipud hsplit hstack meshgrid
        repeat_interleave roll rot90 row_stack split split_with_sizes stack tensor_split tile unbind unsafe_chunk
        unsafe_split unsafe_split_with_sizes vsplit vstack
    """,
    "flambeau.functions.linalg": """
        _weight_norm cholesky cholesky_inverse cholesky_solve det geqrf inverse lobpcg logdet lu lu_solve lu_unpack
        matrix_exp norm_except_dim orgqr ormqr pca_lowrank pinverse qr slogdet svd svd_lowrank triangular_solve
    """,
    "flambeau.functions.matmul": """
        addbmm addmm addmv addmv_ addr baddbmm bmm chain_matmul cross dot einsum ger inner kron matmul matrix_power mm
        mv outer tensordot vdot
    """,
    "flambeau.functions.movement": """
        adjoint as_strided diagonal diagonal_scatter flatten moveaxis movedim narrow narrow_copy permute ravel reshape
        select select_scatter slice_scatter squeeze swapaxes swapdims t transpose unflatten unsqueeze
    """,
    "flambeau.functions.pointwise": """
        abs abs_ absolute acos acos_ acosh acosh_ add addcdiv addcmul allclose angle arccos arccos_ arccosh arccosh_
        arcsin arcsin_ arcsinh arcsinh_ arctan arctan2 arctan_ arctanh arctanh_ asin asin_ asinh asinh_ atan atan2 atan_
        atanh atanh_ bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor ceil ceil_
        clamp clamp_ clamp_max clamp_max_ clamp_min clamp_min_ clip clip_ clone conj conj_physical conj_physical_
        copysign cos cos_ cosh cosh_ deg2rad deg2rad_ digamma div divide eq equal erf erf_ erfc erfc_ erfinv exp exp2
        exp2_ exp_ expm1 expm1_ fill_ fix fix_ float_power floor floor_ floor_divide fmax fmin fmod frac frac_ frexp gcd
        gcd_ ge greater greater_equal gt heaviside hypot i0 i0_ igamma igammac imag is_nonzero is_same_size is_signed
        isclose isfinite isinf isnan isneginf isposinf isreal lcm lcm_ ldexp ldexp_ le lerp less less_equal lgamma log
        log10 log10_ log1p log1p_ log2 log2_ log_ logaddexp logaddexp2 logical_and logical_not logical_or logical_xor
        logit logit_ lt masked_fill maximum minimum mul multiply mvlgamma nan_to_num nan_to_num_ ne neg neg_ negative
        negative_ nextafter not_equal polygamma positive pow rad2deg rad2deg_ real reciprocal reciprocal_ relu relu_
        remainder resolve_conj resolve_neg round round_ rsqrt rsqrt_ rsub sgn sigmoid sigmoid_ sign signbit sin sin_
        sinc sinc_ sinh sinh_ sqrt sqrt_ square square_ sub subtract tan tan_ tanh tanh_ true_divide trunc trunc_ xlogy
        xlogy_ zero_
    """,
    "flambeau.functions.recurrence": """
        gru gru_cell lstm lstm_cell rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell
    """,
    "flambeau.functions.reduction": """
        all amax amin aminmax any argmax argmin cdist corrcoef count_nonzero cov cumprod cumsum cumulative_trapezoid
        diff dist hash_tensor logcumsumexp logsumexp max mean min nanmean nansum norm prod std std_mean sum trace
        trapezoid trapz var var_mean
    """,
    "flambeau.functions.selection": """
        as_strided_ as_strided_scatter detach detach_ fill get_device index_reduce is_conj is_distributed is_inference
        is_neg nonzero_static renorm resize_as_ vander
    """,
    "flambeau.functions.sorting": """
        argsort bincount bucketize cummax cummin histc isin kthvalue median mode msort nanmedian nanquantile quantile
        searchsorted sort topk unique unique_consecutive
    """,
    "flambeau.functions.stft": """
        istft stft
    """,
    "flambeau.functions.switches": """
        are_deterministic_algorithms_enabled get_deterministic_debug_mode get_float32_matmul_precision
        get_num_interop_threads get_num_threads is_deterministic_algorithms_warn_only_enabled is_vulkan_available
        is_warn_always_enabled set_deterministic_debug_mode set_float32_matmul_precision set_flush_denormal
        set_num_interop_threads set_num_threads set_warn_always typename use_deterministic_algorithms
    """,
    "flambeau.functions.types": """
        can_cast is_complex is_floating_point is_storage is_tensor numel promote_types result_type
    """,
    "flambeau.base.errors": """
        OutOfMemoryError
    """,
    "flambeau.nn.functional": """
        adaptive_avg_pool1d avg_pool1d bilinear celu celu_ channel_shuffle conv1d conv2d conv3d conv_tbc
        conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity hardshrink max_pool1d max_pool2d max_pool3d
        native_channel_shuffle pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu rms_norm rrelu rrelu_ selu
        selu_ threshold threshold_
    """,
}
HOMES: dict[str, str] = {name: module for module, names in _NAMES.items() for name in names.split()}
