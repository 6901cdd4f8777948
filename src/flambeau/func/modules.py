"""Modules as functions: ``functional_call``, ``stack_module_state``, ``replace_all_batch_norm_modules_``."""

from collections.abc import Sequence
from typing import Any, cast

from flambeau.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  # PyTorch's name of it
from flambeau.nn.modules.module import Module
from flambeau.nn.utils.stateless import called
from flambeau.tensors.joining import stack
from flambeau.tensors.tensor import Tensor

__all__ = ["functional_call", "replace_all_batch_norm_modules_", "stack_module_state"]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers than its own, which it has again afterwards.

    Gradients flow to the tensors that are given. What ``forward`` writes to a buffer, it writes to the one given.

    Args:
        module: the module to call.
        parameter_and_buffer_dicts: tensors by the names that ``named_parameters`` and ``named_buffers`` give their
            places; or several such dictionaries without common names. Members not named stay.
        args: the positional arguments, as a tuple; anything else is the only one.
        kwargs: the keyword arguments.
        tie_weights: whether a member known by several names is replaced under all of them when one is given.
        strict: raise unless exactly the module's parameters and buffers are named.

    Returns:
        What the module returns.

    Raises:
        ValueError: two dictionaries have a name in common; tied members are given different tensors.
        RuntimeError: names are missing or unexpected with ``strict``.
        TypeError: something given is no tensor.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> weights = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
        >>> torch.func.functional_call(model, weights, torch.tensor([1.0, 2.0]))
        tensor([3.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html
    """
    return called(module, _merged(parameter_and_buffer_dicts), args, kwargs, tie_weights, strict)


def _merged(given: Any) -> dict[str, Any]:
    """One dictionary of those that were given."""
    if isinstance(given, dict):
        return cast("dict[str, Any]", given)
    if not isinstance(given, Sequence):
        raise ValueError(
            f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {type(given)}"
        )
    parts = cast("list[dict[str, Any]]", given)
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    names = [name for part in parts for name in part]
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise ValueError(f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous")
    return {name: tensor for part in parts for name, tensor in part.items()}


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and buffers of several modules of one class, stacked, for calling them all by ``vmap``.

    Args:
        models: sequence of modules, or a ``ModuleList``.

    Returns:
        Dictionaries of parameters and of buffers by name, each with a dimension of ``len(models)`` in front. They are
        copies; parameters require gradients where the modules' do.

    Raises:
        RuntimeError: there are no models, or they differ in class, mode, or in which parameters require gradients.

    Example:
        >>> import flambeau as torch
        >>> models = [torch.nn.Linear(3, 2) for _ in range(5)]
        >>> params, buffers = torch.func.stack_module_state(models)
        >>> def call(params, buffers, x):
        ...     return torch.func.functional_call(models[0], (params, buffers), x)
        >>> torch.vmap(call, (0, 0, None))(params, buffers, torch.ones(4, 3)).shape
        torch.Size([5, 4, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.stack_module_state.html
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(model) is not type(models[0]) for model in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = [dict(model.named_parameters()) for model in models]
    buffers = [dict(model.named_buffers()) for model in models]
    return _stacked(params), _stacked(buffers)


def _stacked(states: list[dict[str, Tensor]]) -> dict[str, Any]:
    return {name: _leaf([state[name] for state in states], name) for name in states[0]}


def _leaf(tensors: list[Tensor], name: str) -> Tensor:
    """Tensors of one name in one new tensor."""
    wanted = {tensor.requires_grad for tensor in tensors}
    if len(wanted) > 1:
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    return stack([tensor.detach() for tensor in tensors]).requires_grad_(wanted.pop())


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Have every batch normalization of a model use the batch's statistics only, as ``vmap`` needs it.

    Their running statistics are removed, so that ``forward`` writes to nothing that all examples share.

    Args:
        root: the model; it is changed in place.

    Returns:
        The model.

    Example:
        >>> import flambeau as torch
        >>> torch.func.replace_all_batch_norm_modules_(torch.nn.BatchNorm1d(3)).running_mean is None
        True

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.replace_all_batch_norm_modules_.html
    """
    for module in root.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            module.running_mean = None
            module.running_var = None
            module.num_batches_tracked = None
            module.track_running_stats = False
    return root
