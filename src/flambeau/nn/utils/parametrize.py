"""``torch.nn.utils.parametrize``: parameters that are computed from others whenever they are read.

A parametrized module gets a class of its own, derived from the one it had, with a property for each parametrized
tensor. Such a class never changes: with the set of parametrized tensors the module changes its class, so that copies
of a module, which share it, stay as they are.

Source: https://docs.pytorch.org/docs/stable/nn.html#module-torch.nn.utils
"""

import copyreg
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, cast

from flambeau.differentiation.modes import no_grad
from flambeau.nn.modules.container import ModuleDict
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.nn.utils.computing import compute
from flambeau.nn.utils.parametrization_list import ParametrizationList, register_tensor
from flambeau.tensors.tensor import Tensor

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]


# -- reading less often ------------------------------------------------------------------------------------------------


class _Cache:
    """Parametrized tensors by module and name, while ``cached()`` blocks are open."""

    def __init__(self) -> None:
        self.depth = 0
        self.tensors: dict[tuple[int, str], Tensor] = {}


_CACHE = _Cache()


@contextmanager
def cached() -> Generator[None]:
    """Inside a ``with`` block, compute every parametrized tensor once only, when it is first read.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
        >>> with torch.nn.utils.parametrize.cached():
        ...     layer.weight is layer.weight
        True

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrize.cached.html
    """
    _CACHE.depth += 1
    try:
        yield
    finally:
        _CACHE.depth -= 1
        if not _CACHE.depth:
            _CACHE.tensors.clear()


# -- the class of a parametrized module --------------------------------------------------------------------------------


def _property(name: str) -> property:
    """The attribute that computes a parametrized tensor; assigning to it goes through ``right_inverse``."""

    def read(self: Any) -> Tensor:
        parametrization = self.parametrizations[name]
        if not _CACHE.depth:
            return parametrization()
        key = (id(self), name)
        if key not in _CACHE.tensors:
            _CACHE.tensors[key] = parametrization()
        return _CACHE.tensors[key]

    def write(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def _copied(self: Any, memo: dict[int, Any]) -> Any:
    """``__deepcopy__`` of a parametrized module; its class, which cannot be pickled, stays."""
    found = memo.get(id(self))
    if found is not None:
        return found
    replica = memo[id(self)] = self.__new__(type(self))
    replica.__dict__ = deepcopy(self.__dict__, memo)
    for slot in cast("Any", copyreg)._slotnames(type(self)):  # pyright: ignore[reportPrivateUsage]  # copy's own way
        if hasattr(self, slot):
            setattr(replica, slot, deepcopy(getattr(self, slot), memo))
    return replica


def _unpicklable(self: Any) -> Any:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(). See:\n"
        "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
        "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
    )


def _reclass(module: Module, base: type[Module], names: Iterable[str]) -> None:
    """Give a module the class that computes the tensors of these names; without any, its own class again."""
    members: dict[str, Any] = {name: _property(name) for name in names}
    if not members:
        module.__class__ = base
        return
    members |= {"__getstate__": _unpicklable, "__module__": __name__}
    if not hasattr(base, "__deepcopy__"):
        members["__deepcopy__"] = _copied
    module.__class__ = type(f"Parametrized{base.__name__}", (base,), members)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrizations.

    Args:
        module: the module.
        tensor_name: the tensor to ask for; any if None.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrize.is_parametrized.html
    """
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def type_before_parametrizations(module: Module) -> type[Module]:
    """Class of a module, without what parametrizations made of it."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


# -- registering and removing ------------------------------------------------------------------------------------------


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Have a tensor of a module computed by a parametrization whenever it is read.

    What it is computed from becomes ``module.parametrizations.<name>.original``: the values that the parametrization's
    ``right_inverse`` finds for the present ones, or the present ones if it has none. If ``right_inverse`` returns
    several tensors, they become ``original0``, ``original1``, ..., and the parametrization is called with all of them.
    Registering another parametrization applies it to the result of those before.

    Args:
        module: the module.
        tensor_name: name of a parameter, a buffer or a parametrized tensor of the module.
        parametrization: what computes the tensor.
        unsafe: whether the parametrization may change the tensor's shape and data type; nothing is checked then.

    Returns:
        The module; its class is now ``Parametrized<Class>``.

    Raises:
        ValueError: there is no such tensor, or the parametrization changes its shape or data type. The module stays as
            it was.
        AssertionError: the module's class has an attribute of this name.

    Example:
        >>> import flambeau as torch
        >>> class Symmetric(torch.nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).T
        >>> layer = torch.nn.utils.parametrize.register_parametrization(torch.nn.Linear(3, 3), "weight", Symmetric())
        >>> bool((layer.weight == layer.weight.T).all())
        True

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrize.register_parametrization.html
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_another(module, tensor_name, parametrization)
        chain: Any = module.parametrizations[tensor_name]
        chain.append(parametrization)
        chain.unsafe |= unsafe
    else:
        chain = _register_first(module, tensor_name, parametrization, unsafe)
    compute([*chain.parameters(), *chain.buffers()])
    return module


def _register_first(module: Module, tensor_name: str, parametrization: Module, unsafe: bool) -> ParametrizationList:
    """Have a tensor that is not parametrized yet computed by a parametrization."""
    fields = vars(module)
    if tensor_name not in fields["_buffers"] and tensor_name not in fields["_parameters"]:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    if hasattr(type(module), tensor_name):
        raise AssertionError(f"Module already has an attribute named '{tensor_name}'")
    chain = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
    base = type_before_parametrizations(module)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    parametrizations = module.parametrizations
    _reclass(module, base, [*parametrizations, tensor_name])
    parametrizations[tensor_name] = chain
    return chain


def _check_another(module: Module, name: str, parametrization: Any) -> None:
    """Raise ValueError, in PyTorch's words, where one more parametrization would change a tensor's kind."""
    present = getattr(module, name)
    value = parametrization(present)
    if not isinstance(value, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__}.")
    for what in ("dtype", "shape"):
        own, new = getattr(present, what), getattr(value, what)
        if own != new:
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless the `unsafe` flag is "
                f"enabled.\nmodule.{name}.{what}: {own}\nparametrization(module.{name}).{what}: {new}"
            )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        inverse = parametrization.right_inverse(value)
    except NotImplementedError:
        return
    if not isinstance(inverse, Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(inverse).__name__}")
    for what in ("dtype", "shape"):
        own, new = getattr(present, what), getattr(inverse, what)
        if own != new:
            raise ValueError(
                f"The tensor returned by parametrization.right_inverse must have the same {what} as module.{name}, "
                f"unless the `unsafe` flag is enabled.\nmodule.{name}.{what}: {own}\nreturned {what}: {new}"
            )


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a parametrized tensor an ordinary parameter or buffer again.

    Args:
        module: the module.
        tensor_name: name of the tensor.
        leave_parametrized: whether it keeps the value the parametrizations compute; otherwise it gets back the one they
            are computed from. If that is one parameter, it stays the same object.

    Returns:
        The module; without parametrizations left, its class is what it was.

    Raises:
        ValueError: the tensor is not parametrized; or it is computed from several, and ``leave_parametrized`` is False.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.parametrize.remove_parametrizations.html
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations
    base = type_before_parametrizations(module)
    kept: Any = _left(module, tensor_name) if leave_parametrized else _original(parametrizations[tensor_name])
    del parametrizations[tensor_name]
    _reclass(module, base, parametrizations)
    if not len(parametrizations):
        del module.parametrizations
    register_tensor(module, tensor_name, kept)
    compute([kept])
    return module


def _original(chain: ParametrizationList) -> Tensor:
    """The one tensor that another is computed from; raises ValueError in PyTorch's words if there are several."""
    if not chain.is_tensor:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    return chain.original


def _left(module: Module, name: str) -> Tensor:
    """A parametrized tensor's present value, in the original's place if there is one original only."""
    chain = module.parametrizations[name]
    if chain.is_tensor:
        original = chain.original
        with no_grad():
            original.data = getattr(module, name)
        return original
    value = getattr(module, name)  # taped, to learn whether an original is trained
    return Parameter(value.detach()) if value.requires_grad else value


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Give a module the parametrizations of another, and the tensors these compute from.

    Args:
        from_module: where they are.
        to_module: the module that gets them; a tensor that it lacks is made first.
        tensor_name: the tensor to transfer; all parametrized ones if None.

    Returns:
        ``to_module``.
    """
    if not is_parametrized(from_module):
        return to_module
    chains = from_module.parametrizations
    for name in list(chains) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in chains[name]:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        for label, original in _labelled(chains[name]):
            setattr(target, label, original)
    return to_module


def _labelled(chain: ParametrizationList) -> list[tuple[str, Tensor]]:
    """The originals with the names under which they are kept."""
    if chain.is_tensor:
        return [("original", chain.original)]
    return [(name, getattr(chain, name)) for name in (f"original{place}" for place in range(chain.ntensors))]
