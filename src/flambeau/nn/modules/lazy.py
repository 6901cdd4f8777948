"""``LazyModuleMixin``: layers that read their sizes off the first input."""

from itertools import chain
from typing import Any, ClassVar

from flambeau.base.hooks import RemovableHandle
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin", "materialize"]


class LazyModuleMixin(Module):
    """A module whose parameters get their shapes, and their first values, when it is called the first time.

    A subclass makes ``UninitializedParameter`` and ``UninitializedBuffer`` members, and says in
    ``initialize_parameters`` which shapes they have for an input. After the first call the module is of the class
    ``cls_to_become``, if that is given. Move and convert lazy models before the first call, and make their optimizers
    after it. Loading a state with shapes initializes them, too.

    Attributes:
        cls_to_become: class that the module has once it is initialized; None keeps it.

    Raises:
        NotImplementedError: the subclass has no ``initialize_parameters``.
        RuntimeError: ``initialize_parameters`` left a parameter without a shape.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyLinear(2)
        >>> layer
        LazyLinear(in_features=0, out_features=2, bias=True)
        >>> layer(torch.ones(1, 3)).shape
        torch.Size([1, 2])
        >>> layer
        Linear(in_features=3, out_features=2, bias=True)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.lazy.LazyModuleMixin.html
    """

    cls_to_become: ClassVar[type[Module] | None] = None
    _load_hook: RemovableHandle
    _initialize_hook: RemovableHandle

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialize the parameters for these arguments of ``forward``."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module itself has no shape yet."""
        return any(map(is_lazy, chain(self._parameters.values(), self._buffers.values())))

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *_: Any) -> None:
        """Before a state is taken: members that have no shape get the state's."""
        for name, member in chain(self._parameters.items(), self._buffers.items()):
            value = state_dict.get(prefix + name)
            if value is not None and not is_lazy(value):
                materialize(member, *value.shape)

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any = None) -> None:
        """Before the first call: give every parameter its shape, and become the class to become."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self) -> Module:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. Run a dummy forward pass to "
            "correctly initialize the modules"
        )


def materialize(member: Any, *shape: int) -> None:
    """Give a member a shape, if it is there and has none yet."""
    if is_lazy(member):
        member.materialize(shape)
