"""``Traversal``: walks over modules, their parameters and buffers; each walk is written once, as a generator."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self, cast

from flambeau.nn.modules.members import Members
from flambeau.nn.parameter import Parameter
from flambeau.tensors.tensor import Tensor

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module

__all__ = ["Traversal"]

_REPLICA = (
    "Calling .zero_grad() from a module created with nn.DataParallel() has no effect. The parameters are copied (in a "
    "differentiable manner) from the original module. This means they are not leaf nodes in autograd and so don't "
    "accumulate gradients. If you need gradients in your forward method, consider using autograd.grad instead."
)
_DEEPEST = 5_000


class Traversal(Members):
    """Methods that go through a module and everything inside it."""

    def named_modules(
        self, memo: "set[Module] | None" = None, prefix: str = "", remove_duplicate: bool = True
    ) -> "Iterator[tuple[str, Module]]":
        """Pairs (path, module) of this module and all inside it, each before its children.

        Args:
            memo: modules seen already; filled on the way.
            prefix: what to put before every path.
            remove_duplicate: whether a module found at several places appears only once.

        Example:
            >>> import flambeau as torch
            >>> outer = torch.nn.Module()
            >>> outer.inner = torch.nn.Module()
            >>> [name for name, _ in outer.named_modules()]
            ['', 'inner']

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.named_modules
        """
        seen: set[Any] = set() if memo is None else memo
        if self in seen:
            return
        if remove_duplicate:
            seen.add(self)
        yield prefix, cast("Module", self)
        stack = [(prefix + "." if prefix else "", iter(self._modules.items()))]
        while stack:
            before, children = stack[-1]
            for name, child in children:
                if child is None or child in seen:
                    continue
                path = before + name
                if type(child).named_modules is not _OWN_WALK:
                    yield from child.named_modules(seen, path, remove_duplicate)
                    continue
                if remove_duplicate:
                    seen.add(child)
                yield path, child
                if child._modules:
                    stack.append((path + ".", iter(child._modules.items())))
                    break
            else:
                stack.pop()
            if len(stack) > _DEEPEST:
                raise RecursionError(f"{type(self).__name__} contains itself: modules nest more than {_DEEPEST} deep")

    def modules(self, remove_duplicate: bool = True) -> "Iterator[Module]":
        """This module and all inside it, each before its children; see ``named_modules``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.modules
        """
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> "Iterator[tuple[str, Module]]":
        """Pairs (name, module) of the direct children, each once.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.named_children
        """
        seen: set[Any] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> "Iterator[Module]":
        """The direct children, each once.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.children
        """
        for _, module in self.named_children():
            yield module

    def _named_members(
        self,
        get_members_fn: "Callable[[Module], Iterable[tuple[str, Any]]]",
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        """Pairs (path, member) of what ``get_members_fn`` finds in each module."""
        own = cast("Module", self)
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, own)]
        seen: set[Any] = set()
        for path, module in modules:
            before = path + "." if path else ""
            for name, member in get_members_fn(module):
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield before + name, member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Pairs (path, parameter).

        Args:
            prefix: what to put before every path.
            recurse: whether to go into the modules inside this one.
            remove_duplicate: whether a parameter found at several places appears only once.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.named_parameters
        """
        yield from self._named_members(_parameters_of, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once; what an optimizer is given.

        Args:
            recurse: whether to go into the modules inside this one.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.parameters
        """
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Pairs (path, buffer); arguments as for ``named_parameters``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.named_buffers
        """
        yield from self._named_members(_buffers_of, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.buffers
        """
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # -- one line over the walks -------------------------------------------------------------------------------

    def apply(self, fn: "Callable[[Module], Any]") -> Self:
        """Call ``fn`` with every module inside, children first, and with this one; returns the module.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.apply
        """
        for module in self.children():
            module.apply(fn)
        fn(cast("Module", self))
        return self

    def train(self, mode: bool = True) -> Self:
        """Set ``training`` of this module and all inside it; dropout and batch normalization look at it.

        Raises:
            ValueError: ``mode`` is no boolean.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.train
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Same as ``train(False)``.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.eval
        """
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say of every parameter whether operations on it are taped; ``False`` freezes the module.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.requires_grad_
        """
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters.

        Args:
            set_to_none: whether ``.grad`` becomes None, rather than zeros.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.zero_grad
        """
        if getattr(self, "_is_replica", False):
            warnings.warn(_REPLICA, UserWarning, stacklevel=2)
        for parameter in self.parameters():
            gradient = parameter.grad
            if gradient is None:
                continue
            if set_to_none:
                parameter.grad = None
                continue
            if gradient.grad_fn is not None:
                gradient.detach_()
            else:
                gradient.requires_grad_(False)
            gradient.zero_()


def _parameters_of(module: Any) -> Iterable[tuple[str, Any]]:
    return module._parameters.items()


def _buffers_of(module: Any) -> Iterable[tuple[str, Any]]:
    return module._buffers.items()


_OWN_WALK = Traversal.named_modules
