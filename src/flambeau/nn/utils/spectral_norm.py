"""The older ``torch.nn.utils.spectral_norm``: a hook computes the weight before every forward pass."""

from typing import Any, TypeVar, cast

from flambeau.differentiation.modes import no_grad
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.nn.utils.computing import compute
from flambeau.nn.utils.power_iteration import as_matrix, check_iterations, iterate, output_dim, random_unit
from flambeau.tensors.equations import pinv
from flambeau.tensors.tensor import Tensor

__all__ = [
    "SpectralNorm",
    "SpectralNormLoadStateDictPreHook",
    "SpectralNormStateDictHook",
    "remove_spectral_norm",
    "spectral_norm",
]

AnyModule = TypeVar("AnyModule", bound=Module)


class SpectralNorm:
    """The hook: makes ``<name>`` of ``<name>_orig``, ``<name>_u`` and ``<name>_v``."""

    # Version 1 keeps v, and no longer the weight itself.
    _version: int = 1

    def __init__(self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        check_iterations(n_power_iterations)
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        """The weight as a matrix whose rows are the outputs."""
        return as_matrix(weight, self.dim)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The weight divided by its largest singular value, which power iterations approximate."""
        weight, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                iterate(matrix.t(), v, u, self.n_power_iterations, self.eps)
            # Copies, because a second forward pass writes into the buffers before the first one's backward pass.
            u, v = u.clone(), v.clone()
        return weight / u.dot(matrix.mv(v))

    def remove(self, module: Module) -> None:
        """Make the weight an ordinary parameter again."""
        with no_grad():
            weight = Parameter(self.compute_weight(module, do_power_iteration=False))
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, weight)
        compute([weight])

    def __call__(self, module: Module, inputs: Any) -> None:  # noqa: D102  (the class documents it)
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))

    def solve_v_and_rescale(self, matrix: Tensor, u: Tensor, target_sigma: Tensor) -> Tensor:
        """A vector v with ``u = matrix @ v / |matrix @ v|`` and ``u @ matrix @ v = target_sigma``."""
        v = pinv(matrix).mv(u)
        return v * (target_sigma / u.dot(matrix.mv(v)))


class SpectralNormLoadStateDictPreHook:
    """Takes state of version 0, which has the weight and no v."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(  # noqa: D102  (the class documents it)
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        version = local_metadata.get("spectral_norm", {}).get(f"{self.fn.name}.version", None)
        if version is not None and version >= 1:
            return
        key = prefix + self.fn.name
        if version is None and key not in state_dict and all(key + s in state_dict for s in ("_orig", "_u", "_v")):
            return  # made by hand, without metadata, from what version 1 has
        missing = [key + suffix for suffix in ("_orig", "", "_u") if key + suffix not in state_dict]
        if missing:
            missing_keys.extend(missing if strict else ())
            return
        with no_grad():
            original, weight = state_dict[f"{key}_orig"], state_dict.pop(key)
            matrix = as_matrix(original, self.fn.dim)
            sigma = (original / weight).mean()
            state_dict[f"{key}_v"] = self.fn.solve_v_and_rescale(matrix, state_dict[f"{key}_u"], sigma)


class SpectralNormStateDictHook:
    """Writes the version into the metadata of a state dict."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(  # noqa: D102  (the class documents it)
        self, module: Module, state_dict: Any, prefix: str, local_metadata: dict[str, Any]
    ) -> None:
        versions = local_metadata.setdefault("spectral_norm", {})
        key = f"{self.fn.name}.version"
        if key in versions:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = SpectralNorm._version  # pyright: ignore[reportPrivateUsage]  # PyTorch's name


def _hook_of(module: Any, name: str) -> int | None:
    """Key of the hook of a weight, if it has one."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            return key
    return None


def spectral_norm(
    module: AnyModule, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> AnyModule:
    """Divide a weight by its largest singular value; the form with ``nn.utils.parametrizations`` is newer.

    The parameter is ``<name>_orig``, the estimated singular vectors are the buffers ``<name>_u`` and ``<name>_v``; a
    hook makes the weight of them before every forward pass.

    Args:
        module: the module.
        name: name of the weight.
        n_power_iterations: how many iterations improve the vectors at a forward pass in training mode.
        eps: least norm to divide by.
        dim: the dimension of the matrix's rows, the others being its columns; if None, 0, or 1 for transposed
            convolutions.

    Returns:
        The module.

    Raises:
        RuntimeError: the weight has such a hook already.
        ValueError: ``n_power_iterations`` is not positive, or the weight is None.
        KeyError: there is no such weight.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.utils.spectral_norm(torch.nn.Linear(20, 40)).weight_u.shape
        torch.Size([40])

    Source: Miyato et al. (2018); https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.spectral_norm.html
    """
    if _hook_of(module, name) is not None:
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, output_dim(module) if dim is None else dim, eps)
    plain = cast("Any", module)
    weight = plain._parameters[name]
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    rows, columns = hook.reshape_weight_to_matrix(weight.detach()).shape
    u, v = random_unit(weight, rows, eps), random_unit(weight, columns, eps)
    compute([u, v])
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())  # until the first forward pass, for those who look at the weight
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    plain._register_state_dict_hook(SpectralNormStateDictHook(hook))
    plain._register_load_state_dict_pre_hook(SpectralNormLoadStateDictPreHook(hook))
    return module


def remove_spectral_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Undo ``spectral_norm``: the weight is a parameter again, with its present value.

    Raises:
        ValueError: the weight has no such hook.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.remove_spectral_norm.html
    """
    key = _hook_of(module, name)
    if key is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    plain = cast("Any", module)
    plain._forward_pre_hooks.pop(key).remove(module)
    for hooks, kind in (
        (plain._state_dict_hooks, SpectralNormStateDictHook),
        (plain._load_state_dict_pre_hooks, SpectralNormLoadStateDictPreHook),
    ):
        for other, registered in list(hooks.items()):
            hook = getattr(registered, "hook", registered)
            if isinstance(hook, kind) and hook.fn.name == name:
                del hooks[other]
    return module
