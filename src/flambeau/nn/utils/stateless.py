"""PyTorch's ``torch.nn.utils.stateless``: a module called with other parameters and buffers than its own."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, cast

from flambeau.nn.modules.module import Module
from flambeau.tensors.tensor import Tensor

__all__ = ["functional_call"]

_Tensors = dict[str, Any]
_MISSING: Final = object()


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Deprecated name of ``torch.func.functional_call``, which see; it warns with a FutureWarning.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.stateless.functional_call.html
    """
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future "
        "version of PyTorch. Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return called(module, parameters_and_buffers, args, kwargs, tie_weights, strict)


def called(
    module: Module, tensors: _Tensors, args: Any, kwargs: dict[str, Any] | None, tie_weights: bool, strict: bool
) -> Any:
    """Call a module with other tensors; what the arguments mean is told by ``torch.func.functional_call``."""
    positional = cast("tuple[Any, ...]", () if args is None else args if isinstance(args, tuple) else (args,))
    with _lent(module, tensors, tie_weights, strict):
        return module(*positional, **(kwargs or {}))


@contextmanager
def _lent(module: Module, tensors: _Tensors, tie_weights: bool, strict: bool) -> Generator[None]:
    """Run a block while a module holds other tensors; then it has its own again, whatever has happened.

    A tensor that the block has put in a given one's place is put into ``tensors``.
    """
    given = _with_ties(module, tensors) if tie_weights else dict(tensors)
    if strict:
        _check_names(module, given)
    places = [(path, *_place(module, path, tensor)) for path, tensor in given.items()]
    before: _Tensors = {}
    try:
        for path, holder, name in places:
            before[path] = _swap(holder, name, given[path])
        yield
    finally:
        after = {path: _swap(holder, name, before[path]) for path, holder, name in places if path in before}
        tensors.update({path: after[path] for path in tensors if path in after})


def _place(module: Module, path: str, tensor: Any) -> tuple[Any, str]:
    """The module that holds a member, and the member's name there; raises TypeError or KeyError in PyTorch's words."""
    prefix, _, name = path.rpartition(".")
    if not (tensor is None or isinstance(tensor, Tensor)):
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    if name == "":
        raise KeyError('tensor name can\'t be empty string ""')
    holder: Any = module.get_submodule(prefix)
    own = getattr(holder, name, None)
    if not (own is None or isinstance(own, Tensor)):
        raise TypeError(f"attribute `{name}`: {own} is not an instance of torch.Tensor")
    return holder, name


def _swap(holder: Any, name: str, tensor: Any) -> Any:
    """Put a tensor (or nothing, for ``_MISSING``) in a member's place; returns what was there."""
    for members in (holder._parameters, holder._buffers):
        if name in members:
            own = members[name]
            if tensor is _MISSING:
                del members[name]
            else:
                members[name] = tensor
            return own
    own = getattr(holder, name, _MISSING)
    if tensor is not _MISSING:
        setattr(holder, name, tensor)
    elif own is not _MISSING:
        delattr(holder, name)
    return own


def _members(module: Module) -> _Tensors:
    """All parameters and buffers by path; shared ones under each of their paths."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _with_ties(module: Module, tensors: _Tensors) -> _Tensors:
    """The given tensors, each under all paths of the member it replaces.

    Raises:
        ValueError: two of these paths were given different tensors.
    """
    paths: dict[int, list[str]] = {}
    for path, tensor in _members(module).items():
        paths.setdefault(id(tensor), []).append(path)
    given = dict(tensors)
    for tied in paths.values():
        named = [path for path in tied if path in tensors]
        if len(tied) == 1 or not named:
            continue
        if any(tensors[path] is not tensors[named[0]] for path in named):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(tied)}, which are tied. Consider using "
                "tie_weights=False"
            )
        given.update(dict.fromkeys(tied, tensors[named[0]]))
    return given


def _check_names(module: Module, given: _Tensors) -> None:
    """Raise RuntimeError, in PyTorch's words, unless every member and nothing else is given."""
    own = _members(module).keys()
    lines = [
        f"{kind} key(s): {', '.join(map(repr, sorted(names)))}."
        for kind, names in (("Unexpected", given.keys() - own), ("Missing", own - given.keys()))
        if names
    ]
    if lines:
        name = cast("Any", module)._get_name()
        raise RuntimeError(f"Error(s) in reparametrizing for {name}:\n\t" + "\n\t".join(lines))
