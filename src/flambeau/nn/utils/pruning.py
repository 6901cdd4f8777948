"""What all methods of ``nn.utils.prune`` share: a hook that masks a parameter, and a container of such hooks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from flambeau.differentiation.modes import no_grad
from flambeau.nn.utils.computing import compute
from flambeau.tensors.creation import ones_like
from flambeau.tensors.tensor import Tensor

__all__ = ["BasePruningMethod", "PruningContainer"]


class BasePruningMethod(ABC):
    """A way to prune: a subclass says in ``compute_mask`` which elements stay.

    Applied to a parameter, a method is a hook that computes ``<name>`` as ``<name>_mask`` (a buffer) times
    ``<name>_orig`` (the parameter) before every forward pass.

    Attributes:
        PRUNING_TYPE: what a further method sees of a parameter pruned already: ``"unstructured"`` (the elements that
            stayed), ``"structured"`` (the slices along ``dim`` of which something stayed) or ``"global"`` (everything).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.BasePruningMethod.html
    """

    PRUNING_TYPE: ClassVar[str]
    _tensor_name: str

    def __call__(self, module: Any, inputs: Any) -> None:  # noqa: D102  (the class documents it)
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of a tensor: 1 for what stays, 0 for what is pruned.

        Args:
            t: the importance of every element.
            default_mask: what is pruned already; it stays pruned.
        """

    def apply_mask(self, module: Any) -> Tensor:
        """The pruned parameter: the mask times the original one."""
        original = getattr(module, f"{self._tensor_name}_orig")
        return getattr(module, f"{self._tensor_name}_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls, module: Any, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> "BasePruningMethod":
        """Prune a parameter with this method, on top of the methods it is pruned with already.

        Args:
            module: the module.
            name: name of the parameter.
            args: what the method is made with.
            importance_scores: the importance of every element; the parameter itself if None.
            kwargs: what the method is made with.

        Returns:
            The hook: the method, or a ``PruningContainer`` with all methods.

        Raises:
            AssertionError: the scores have another shape than the parameter. The module stays as it was.
        """
        key, present = _hook_of(module, name)
        method = cls(*args, **kwargs)
        method._tensor_name = name
        parameter = getattr(module, name)
        scores: Tensor = parameter if importance_scores is None else importance_scores
        if scores.shape != parameter.shape:
            shapes = f"{scores.shape} vs {parameter.shape}"
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, got {shapes}"
            )
        with no_grad():
            if present is None:
                mask = method.compute_mask(scores, default_mask=ones_like(parameter))
            else:
                mask = _combined(method, scores, getattr(module, f"{name}_mask").detach().clone())
        hook: BasePruningMethod = method
        if present is None:
            module.register_parameter(f"{name}_orig", parameter)
            del module._parameters[name]
        else:
            del module._forward_pre_hooks[key]
            hook = present if isinstance(present, PruningContainer) else PruningContainer(present)
            hook.add_pruning_method(method)
        module.register_buffer(f"{name}_mask", mask)
        compute([mask])
        setattr(module, name, hook.apply_mask(module))
        module.register_forward_pre_hook(hook)
        return hook

    def prune(self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None) -> Tensor:
        """A tensor, pruned, without any module.

        Args:
            t: the tensor.
            default_mask: what is pruned already; nothing if None.
            importance_scores: the importance of every element; the tensor itself if None.

        Raises:
            AssertionError: the scores have another shape than the tensor.
        """
        if importance_scores is None:
            importance_scores = t
        elif importance_scores.shape != t.shape:
            shapes = f"{importance_scores.shape} vs {t.shape}"
            raise AssertionError(f"importance_scores should have the same shape as tensor t, got {shapes}")
        before = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(importance_scores, default_mask=before)

    def remove(self, module: Any) -> None:
        """Make the pruned parameter an ordinary one, with its zeros; the hook stays registered."""
        name = self._tensor_name
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters.pop(f"{name}_orig")
        original.data = weight.detach()
        del module._buffers[f"{name}_mask"]
        setattr(module, name, original)
        compute([original])


def _hook_of(module: Any, name: str) -> tuple[int, BasePruningMethod | None]:
    """Key and hook of a parameter, if it has one."""
    found = [
        (key, hook)
        for key, hook in module._forward_pre_hooks.items()
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name  # pyright: ignore[reportPrivateUsage]  # one noun
    ]
    if len(found) > 1:
        raise AssertionError(
            f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. Use a PruningContainer."
        )
    return found[0] if found else (-1, None)


class PruningContainer(BasePruningMethod):
    """Methods that were applied to one parameter, one after another.

    Args:
        args: the methods.

    Raises:
        TypeError: one of them is no ``BasePruningMethod``.
        ValueError: they are not for one parameter.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.prune.PruningContainer.html
    """

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod) -> None:
        """Add a method; it must be for the container's parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to "
                f"PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: int) -> BasePruningMethod:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of the latest method, of what its ``PRUNING_TYPE`` lets it see, on top of ``default_mask``."""
        return _combined(self._pruning_methods[-1], t, default_mask)


def _combined(method: BasePruningMethod, t: Tensor, default_mask: Tensor) -> Tensor:
    """A mask in which a method has pruned what it sees of a tensor pruned already."""
    seen = _seen(method, t, default_mask)
    mask = default_mask.to(dtype=t.dtype, copy=True)
    mask[seen] = method.compute_mask(t[seen], default_mask=default_mask[seen]).to(dtype=mask.dtype)
    return mask


def _seen(method: Any, t: Tensor, mask: Tensor) -> Any:
    """The subscript of what a method sees; raises in PyTorch's words where it does not say what."""
    everything: tuple[Any, ...] = (slice(None),) * t.ndim
    if method.PRUNING_TYPE == "global":
        return everything
    if method.PRUNING_TYPE == "unstructured":
        return mask == 1
    if method.PRUNING_TYPE != "structured":
        raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
    if not hasattr(method, "dim"):
        raise AttributeError('Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.')
    axis: int = method.dim + t.ndim if method.dim < 0 else method.dim
    if axis < 0:
        raise IndexError(f"Index is out of bounds for tensor with dimensions {t.ndim}")
    kept = mask.sum(dim=[other for other in range(t.ndim) if other != axis]) != 0
    return (*everything[:axis], kept, *everything[axis + 1 :])
