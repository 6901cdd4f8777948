"""``torch.nn.utils.prune``: set the least important elements of parameters to zero, and keep them there.

Source: https://docs.pytorch.org/docs/stable/nn.html#module-torch.nn.utils
"""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeVar, cast

from flambeau.nn.modules.module import Module
from flambeau.nn.utils.pruning import BasePruningMethod, PruningContainer
from flambeau.tensors.creation import ones_like, zeros_like
from flambeau.tensors.joining import cat
from flambeau.tensors.random import rand, rand_like
from flambeau.tensors.tensor import Tensor

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]

AnyModule = TypeVar("AnyModule", bound=Module)


# -- amounts -----------------------------------------------------------------------------------------------------------


def _check_amount(amount: Any) -> None:
    """Raise TypeError or ValueError, in PyTorch's words, unless an amount is a share or a number of elements."""
    if not isinstance(amount, Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    amount = cast("Any", amount)
    if amount < 0 or (not isinstance(amount, Integral) and amount > 1):
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")


def _count(amount: Any, size: int) -> int:
    """How many of ``size`` an amount means; raises ValueError, in PyTorch's words, if there are not so many."""
    count: int = amount if isinstance(amount, Integral) else round(amount * size)  # pyright: ignore[reportAssignmentType]  # NumPy's ints, too
    if count > size:
        raise ValueError(f"amount={count} should be smaller than the number of parameters to prune={size}")
    return count


def _check_slices(t: Tensor, dim: int) -> None:
    """Raise ValueError or IndexError, in PyTorch's words, unless a tensor has slices along a dimension."""
    if t.ndim <= 1:
        found = f"Found tensor of shape {t.shape} with {t.ndim} dims"
        raise ValueError(f"Structured pruning can only be applied to multidimensional tensors. {found}")
    if dim >= t.ndim:
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")


# -- methods -----------------------------------------------------------------------------------------------------------


class Identity(BasePruningMethod):
    """Prunes nothing, but makes the mask.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.Identity.html
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask as it is."""
        return default_mask

    @classmethod
    def apply(cls, module: Any, name: str) -> BasePruningMethod:  # pyright: ignore[reportIncompatibleMethodOverride]  # PyTorch's
        """Make the mask of a parameter."""
        return super().apply(module, name)


class RandomUnstructured(BasePruningMethod):
    """Prunes elements at random.

    Args:
        amount: how many: a share from 0 to 1 if it is a float, a number of elements if it is an int.

    Raises:
        TypeError, ValueError: the amount is no such number.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.RandomUnstructured.html
    """

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask without the elements that drew the largest numbers."""
        count = _count(self.amount, t.numel())
        mask = default_mask.clone()
        if count:
            mask.view(-1)[rand_like(t).view(-1).topk(count).indices] = 0
        return mask

    @classmethod
    def apply(cls, module: Any, name: str, amount: float) -> BasePruningMethod:  # pyright: ignore[reportIncompatibleMethodOverride]  # PyTorch's
        """Prune a parameter; see ``random_unstructured``."""
        return super().apply(module, name, amount=amount)


class L1Unstructured(BasePruningMethod):
    """Prunes the elements with the smallest absolute values.

    Args:
        amount: how many: a share from 0 to 1 if it is a float, a number of elements if it is an int.

    Raises:
        TypeError, ValueError: the amount is no such number.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.L1Unstructured.html
    """

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask without the smallest elements."""
        count = _count(self.amount, t.numel())
        mask = default_mask.clone()
        if count:
            mask.view(-1)[t.abs().reshape(-1).topk(count, largest=False).indices] = 0
        return mask

    @classmethod
    def apply(  # pyright: ignore[reportIncompatibleMethodOverride]  # PyTorch's
        cls, module: Any, name: str, amount: float, importance_scores: Tensor | None = None
    ) -> BasePruningMethod:
        """Prune a parameter; see ``l1_unstructured``."""
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class RandomStructured(BasePruningMethod):
    """Prunes slices along a dimension at random.

    Args:
        amount: how many: a share from 0 to 1 if it is a float, a number of slices if it is an int.
        dim: the dimension.

    Raises:
        TypeError, ValueError: the amount is no such number.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.RandomStructured.html
    """

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        _check_amount(amount)
        self.amount = amount
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask without the slices that drew the smallest numbers."""
        _check_slices(t, self.dim)
        size = t.shape[self.dim]
        count = _count(self.amount, size)
        if not count:
            return default_mask
        drawn = rand(size)
        kept = (drawn > drawn.kthvalue(count).values).nonzero().flatten()
        return _slices_kept(t, self.dim, kept, default_mask)

    @classmethod
    def apply(cls, module: Any, name: str, amount: float, dim: int = -1) -> BasePruningMethod:  # pyright: ignore[reportIncompatibleMethodOverride]  # PyTorch's
        """Prune a parameter; see ``random_structured``."""
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(BasePruningMethod):
    """Prunes the slices along a dimension that have the smallest norms.

    Args:
        amount: how many: a share from 0 to 1 if it is a float, a number of slices if it is an int.
        n: order of the norm, as in ``torch.norm``.
        dim: the dimension.

    Raises:
        TypeError, ValueError: the amount is no such number.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.LnStructured.html
    """

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, n: float | str, dim: int = -1) -> None:
        _check_amount(amount)
        self.amount = amount
        self.n = n
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask without the slices of the smallest norms."""
        _check_slices(t, self.dim)
        size = t.shape[self.dim]
        count = _count(self.amount, size)
        axis = range(t.ndim)[self.dim]
        sizes = t.norm(self.n, [other for other in range(t.ndim) if other != axis])
        if not count:
            return default_mask
        return _slices_kept(t, self.dim, sizes.topk(size - count).indices, default_mask)

    @classmethod
    def apply(  # pyright: ignore[reportIncompatibleMethodOverride]  # PyTorch's
        cls,
        module: Any,
        name: str,
        amount: float,
        n: float | str,
        dim: int,
        importance_scores: Tensor | None = None,
    ) -> BasePruningMethod:
        """Prune a parameter; see ``ln_structured``."""
        return super().apply(module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores)


def _slices_kept(t: Tensor, dim: int, kept: Tensor, default_mask: Tensor) -> Tensor:
    """The mask without all slices along a dimension but these."""
    mask = zeros_like(t).index_fill_(dim, kept, 1)
    return mask * default_mask.to(dtype=mask.dtype)


class CustomFromMask(BasePruningMethod):
    """Prunes what a mask of the user's says.

    Args:
        mask: 0 for what is pruned, 1 for the rest; of the parameter's shape.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.CustomFromMask.html
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Both masks together."""
        if default_mask.shape != self.mask.shape:
            shapes = f"{default_mask.shape} must match self.mask shape {self.mask.shape}"
            raise AssertionError(f"default_mask shape {shapes}")
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module: Any, name: str, mask: Tensor) -> BasePruningMethod:  # pyright: ignore[reportIncompatibleMethodOverride]  # PyTorch's
        """Prune a parameter; see ``custom_from_mask``."""
        return super().apply(module, name, mask=mask)


# -- functions ---------------------------------------------------------------------------------------------------------


def identity(module: AnyModule, name: str) -> AnyModule:
    """Give a parameter a mask of ones; returns the module.

    The parameter becomes ``<name>_orig``, the mask is the buffer ``<name>_mask``, and a hook computes ``<name>`` as
    their product before every forward pass. So do the other functions of this module.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.identity.html
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: AnyModule, name: str, amount: float) -> AnyModule:
    """Prune elements of a parameter at random; returns the module.

    Args:
        module: the module.
        name: name of the parameter.
        amount: how many of those not pruned yet: a share from 0 to 1 if it is a float, a number if it is an int.

    Raises:
        TypeError, ValueError: the amount is no such number, or there are not so many elements.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.random_unstructured.html
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: AnyModule, name: str, amount: float, importance_scores: Tensor | None = None) -> AnyModule:
    """Prune the elements of a parameter with the smallest absolute values; returns the module.

    Args:
        module: the module.
        name: name of the parameter.
        amount: how many of those not pruned yet: a share from 0 to 1 if it is a float, a number if it is an int.
        importance_scores: values to compare instead of the parameter's, of its shape.

    Raises:
        TypeError, ValueError: the amount is no such number, or there are not so many elements.
        AssertionError: the scores have another shape.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.prune.l1_unstructured(torch.nn.Linear(4, 2), "weight", amount=0.5)
        >>> layer.weight_mask.sum()
        tensor(4.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.l1_unstructured.html
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: AnyModule, name: str, amount: float, dim: int) -> AnyModule:
    """Prune slices of a parameter along a dimension at random; returns the module.

    Args:
        module: the module.
        name: name of the parameter.
        amount: how many of those not pruned yet: a share from 0 to 1 if it is a float, a number if it is an int.
        dim: the dimension.

    Raises:
        TypeError, ValueError: the amount is no such number, or there are not so many slices.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.random_structured.html
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: AnyModule,
    name: str,
    amount: float,
    n: float | str,
    dim: int,
    importance_scores: Tensor | None = None,
) -> AnyModule:
    """Prune the slices of a parameter along a dimension that have the smallest norms; returns the module.

    Args:
        module: the module.
        name: name of the parameter.
        amount: how many of those not pruned yet: a share from 0 to 1 if it is a float, a number if it is an int.
        n: order of the norm, as in ``torch.norm``.
        dim: the dimension.
        importance_scores: values to compare instead of the parameter's, of its shape.

    Raises:
        TypeError, ValueError: the amount is no such number, or there are not so many slices.
        AssertionError: the scores have another shape.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.ln_structured.html
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: AnyModule, name: str, mask: Tensor) -> AnyModule:
    """Prune what a mask says; returns the module.

    Args:
        module: the module.
        name: name of the parameter.
        mask: 0 for what is pruned, 1 for the rest; of the parameter's shape.

    Raises:
        AssertionError: the mask has another shape.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.custom_from_mask.html
    """
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune several parameters as if they were one, so that some lose more elements than others.

    Args:
        parameters: pairs of a module and a name.
        pruning_method: an unstructured method, such as ``L1Unstructured``.
        importance_scores: values to compare instead of the parameters', by pair.
        kwargs: what the method is made with, such as ``amount``.

    Raises:
        TypeError: the parameters are no pairs, the scores no dictionary, or the method is not unstructured.

    Example:
        >>> import flambeau as torch
        >>> prune, layers = torch.nn.utils.prune, [torch.nn.Linear(4, 2), torch.nn.Linear(2, 1)]
        >>> prune.global_unstructured([(layer, "weight") for layer in layers], prune.L1Unstructured, amount=3)
        >>> sum(int((layer.weight == 0).sum()) for layer in layers)
        3

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.global_unstructured.html
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores: Any = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = list(parameters)
    tensors = [cast("Tensor", getattr(module, name)) for module, name in pairs]
    important = [cast("Any", scores).get(pair, tensor) for pair, tensor in zip(pairs, tensors, strict=True)]
    masks = [getattr(pair[0], f"{pair[1]}_mask", ones_like(one)) for pair, one in zip(pairs, tensors, strict=True)]
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    method._tensor_name = "temp"  # pyright: ignore[reportPrivateUsage]  # as PruningMethod.apply does
    whole = PruningContainer(method).compute_mask(_flat(important), _flat(masks))
    parts = whole.split([tensor.numel() for tensor in tensors])
    for (module, name), tensor, part in zip(pairs, tensors, parts, strict=True):
        custom_from_mask(module, name, part.view_as(tensor))


def _flat(tensors: list[Tensor]) -> Tensor:
    """All elements of tensors in a row, off the tape."""
    return cat([tensor.detach().reshape(-1) for tensor in tensors])


def remove(module: AnyModule, name: str) -> AnyModule:
    """Make a pruned parameter an ordinary one, with its zeros; returns the module.

    Raises:
        ValueError: the parameter is not pruned.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.remove.html
    """
    hooks = cast("Any", module)._forward_pre_hooks
    for key, hook in hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:  # pyright: ignore[reportPrivateUsage]  # one noun
            hook.remove(module)
            del hooks[key]
            return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Module) -> bool:
    """Whether a module, or one inside it, has a pruned parameter.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.is_pruned.html
    """
    return any(
        isinstance(hook, BasePruningMethod)
        for inner in module.modules()
        for hook in cast("Any", inner)._forward_pre_hooks.values()
    )
