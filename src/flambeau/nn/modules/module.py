"""``Module``: the base class of everything that has parameters, put together from its families."""

from types import FunctionType

from flambeau.nn.modules.calls import Calls
from flambeau.nn.modules.conversion import Conversion
from flambeau.nn.modules.copying import Copying
from flambeau.nn.modules.hooks import (
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from flambeau.nn.modules.loading import Loading
from flambeau.nn.modules.state import State, T_destination

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]


class Module(Calls, State, Loading, Conversion, Copying):
    """Base class of all layers and models.

    A subclass makes its parameters and layers in ``__init__``, after ``super().__init__()``, and says in ``forward``
    what it computes. A parameter, buffer or module assigned as an attribute is registered: it appears in
    ``parameters()``, ``state_dict()`` and ``named_modules()``, and ``to()`` moves it.

    Attributes:
        training: whether the module is in training mode; see ``train`` and ``eval``.

    Raises:
        AttributeError: a member is assigned before ``super().__init__()``.

    Example:
        >>> import flambeau as torch
        >>> class Scale(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = torch.nn.Parameter(torch.tensor(2.0))
        ...
        ...     def forward(self, x):
        ...         return x * self.factor
        >>> scale = Scale()
        >>> [name for name, _ in scale.named_parameters()]
        ['factor']
        >>> scale(torch.ones(2)).detach()
        tensor([2., 2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html
    """

    T_destination = T_destination

    # -- as text -----------------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What the module's text shows besides its children; layers give their sizes.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.extra_repr
        """
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        own = extra.split("\n") if extra else []
        children = [f"({name}): {indented(repr(module))}" for name, module in self._modules.items()]
        if not children and len(own) <= 1:
            return f"{self._get_name()}({extra})"
        body = "\n  ".join([*own, *children])
        return f"{self._get_name()}(\n  {body}\n)"

    def _replicate_for_data_parallel(self) -> "Module":
        """A module of the same class with the same members, whose dictionaries are its own."""
        replica = type(self).__new__(type(self))
        replica.__dict__.update(self.__dict__)
        replica.__dict__.update(
            _parameters={}, _buffers=self._buffers.copy(), _modules=self._modules.copy(), _is_replica=True
        )
        return replica


def indented(text: str) -> str:
    """Text whose lines after the first are indented by two."""
    return text.replace("\n", "\n  ")


def _named_as_one_class() -> None:
    """Let the families' methods speak as ``Module``'s own, as in ``<generator object Module.parameters>``."""
    for family in Module.__mro__[1:-1]:
        for member in vars(family).values():
            if isinstance(member, FunctionType) and member.__qualname__.startswith(f"{family.__name__}."):
                member.__qualname__ = f"Module.{member.__name__}"


_named_as_one_class()
