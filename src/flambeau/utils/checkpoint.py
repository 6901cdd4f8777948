"""PyTorch's ``torch.utils.checkpoint``: less memory for a longer backward pass.

What a function computes on the way is not kept for backward but computed again when it is needed
(``autograd.recomputing`` tells how). Both variants of PyTorch are one here: ``use_reentrant`` only decides what is
checked and whether anything is taped when no argument requires a gradient.

Source: https://docs.pytorch.org/docs/stable/checkpoint.html
"""

import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from enum import Enum
from typing import Any, ClassVar, Final, NoReturn

from flambeau.amp import state as autocast
from flambeau.autograd.function import Function
from flambeau.autograd.recomputing import Avals, recomputed
from flambeau.differentiation.modes import MODE
from flambeau.graph.node import Aval
from flambeau.tensors.generator import default_generator, fork_rng
from flambeau.tensors.tensor import Tensor

__all__ = [
    "UNSUPPORTED",
    "CheckpointError",
    "CheckpointFunction",
    "CheckpointPolicy",
    "DefaultDeviceType",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "create_selective_checkpoint_contexts",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]

Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]

UNSUPPORTED: Final = {
    "GraphExecGroup": "there is one backward pass at a time",
    "SAC_IGNORED_OPS": "which values to keep is not chosen one by one",
    "SelectiveCheckpointContext": "which values to keep is not chosen one by one",
    "create_selective_checkpoint_contexts": "which values to keep is not chosen one by one",
}
"""Names of PyTorch's module that are not supported, with the reason."""

_IMPLICIT = (
    "torch.utils.checkpoint{}: the use_reentrant parameter should be passed explicitly. {} use_reentrant=False is "
    "recommended, but if you need to preserve the current default behavior, you can pass use_reentrant=True. Refer to "
    "docs for more details on the differences between the two variants."
)


class CheckpointError(RuntimeError):
    """A function did not do the second time what it did the first time."""


def noop_context_fn() -> Contexts:
    """Two contexts that do nothing."""
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Call a function without keeping what it computes on the way for backward, which computes it again.

    Backward calls the function once more on the same arguments, with the random numbers and the autocast of the first
    time, in one program with everything else. The compiler is kept from merging the two.

    Args:
        function: takes the arguments; returns a tensor, or a structure of tensors and other things.
        args: its arguments.
        use_reentrant: with True, at least one argument must require a gradient, and named ones are refused; give False.
        context_fn: makes two contexts, for the first and for the second call.
        determinism_check: ``"default"`` compares shapes and types of both calls' results; ``"none"`` does not.
        debug: accepted; errors name what differs anyway.
        early_stop: accepted; what the gradient does not need is not computed.
        kwargs: its named arguments; ``preserve_rng_state=False`` lets the second call draw new random numbers.

    Returns:
        What the function returned.

    Raises:
        ValueError: named arguments, ``context_fn`` or ``debug`` with ``use_reentrant=True``; ``determinism_check`` is
            something else.
        CheckpointError: in backward, the function returned something else than the first time.

    Warns:
        UserWarning: ``use_reentrant`` is not given; with True, no argument requires a gradient.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.utils.checkpoint import checkpoint
        >>> x = torch.tensor([0.0, 1.0], requires_grad=True)
        >>> checkpoint(lambda x: x.exp().square(), x, use_reentrant=False).sum().backward()
        >>> x.grad
        tensor([ 2.0000, 14.7781])

    Source: https://docs.pytorch.org/docs/stable/checkpoint.html#torch.utils.checkpoint.checkpoint
    """
    if use_reentrant is None:
        advice = "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception."
        warnings.warn(_IMPLICIT.format("", advice), stacklevel=2)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        check_backward_validity(args, stacklevel=3)
        if MODE.grad and not any(isinstance(item, Tensor) and item.requires_grad for item in args):
            return _untaped(function, args)
    elif determinism_check not in _CHECKS:
        raise ValueError(f"determinism_check should be one of {list(_CHECKS)}, but got {determinism_check}")
    if not MODE.grad:
        return function(*args, **kwargs)
    first, second = context_fn()
    within = _as_now(second, preserve)
    with first:
        return recomputed(function, args, kwargs, within, _CHECKS[determinism_check])


def _untaped(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """What a function returns where nothing of it is taped."""
    before = MODE.grad
    MODE.grad = False
    try:
        return function(*args)
    finally:
        MODE.grad = before


def _as_now(context: AbstractContextManager[Any], preserve: bool) -> Callable[[], AbstractContextManager[None]]:
    """Makes a context in which random numbers and autocast are those of this moment, around another context."""
    switches = autocast.kept()
    random = default_generator.clone_state() if preserve else None

    @contextmanager
    def within() -> Generator[None]:
        with ExitStack() as stack:
            stack.enter_context(switches())
            stack.enter_context(fork_rng(enabled=random is not None))
            if random is not None:
                default_generator.set_state(random.get_state())
            stack.enter_context(context)
            yield

    return within


def _same_metadata(before: Avals, after: Avals) -> None:
    """Raise CheckpointError unless results have the shapes, types and devices of the first time."""
    _same_number(before, after)
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        if old is not new:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                f"during the forward pass.\ntensor at position {index}:\nsaved metadata: {_shown(old)}\nrecomputed "
                f"metadata: {_shown(new)}\n."
            )


def _same_number(before: Avals, after: Avals) -> None:
    if len(before) != len(after):
        raise CheckpointError(
            "torch.utils.checkpoint: A different number of results was returned during the original forward and "
            f"recomputation.\nNumber of results of forward: {len(before)}\nNumber of results of recomputation: "
            f"{len(after)}."
        )


def _shown(aval: Aval | None) -> Any:
    return None if aval is None else {"shape": aval.shape, "dtype": aval.dtype, "device": aval.device}


_CHECKS: Final[dict[str, Callable[[Avals, Avals], None]]] = {"default": _same_metadata, "none": _same_number}


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Call functions one after the other, in segments that are each checkpointed, except the last.

    Args:
        functions: a ``Sequential``, or a list of functions of one argument.
        segments: how many parts to cut them into.
        input: argument of the first.
        use_reentrant: as for ``checkpoint``.
        kwargs: ``preserve_rng_state`` only.

    Raises:
        ValueError: other named arguments; more segments than functions.

    Warns:
        UserWarning: ``use_reentrant`` is not given.

    Source: https://docs.pytorch.org/docs/stable/checkpoint.html#torch.utils.checkpoint.checkpoint_sequential
    """
    if use_reentrant is None:
        advice = "In version 2.9 we will raise an exception if use_reentrant is not passed."
        warnings.warn(_IMPLICIT.format(".checkpoint_sequential", advice), stacklevel=2)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    every = list(functions.children() if hasattr(functions, "children") else functions)
    size = len(every) // segments
    cuts = range(0, size * (segments - 1), size)
    for start in cuts:
        part = _chain(every[start : start + size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return _chain(every[len(cuts) * size :])(input)


def _chain(functions: Sequence[Callable[..., Any]]) -> Callable[[Any], Any]:
    """Functions one after the other."""

    def run(value: Any) -> Any:
        for function in functions:
            value = function(value)
        return value

    return run


class CheckpointPolicy(Enum):
    """What ``create_selective_checkpoint_contexts`` would do with a value."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


class CheckpointFunction(Function):
    """``checkpoint`` with ``use_reentrant=True`` in the form of a custom function.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.utils.checkpoint import CheckpointFunction
        >>> CheckpointFunction.apply(torch.exp, True, torch.zeros(1, requires_grad=True)).requires_grad
        True
    """

    @classmethod
    def apply(cls, run_function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # as PyTorch's
        """Call a function by ``checkpoint``."""
        return checkpoint(run_function, *args, use_reentrant=True, preserve_rng_state=preserve_rng_state)


# -- the module's smaller names ------------------------------------------------------------------------------------


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments with each tensor off the tape, as a leaf that requires a gradient if it did.

    Raises:
        RuntimeError: the arguments are no tuple.
    """
    if not isinstance(inputs, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]  # users pass anything
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    return tuple(
        [item.detach().requires_grad_(item.requires_grad) if isinstance(item, Tensor) else item for item in inputs]
    )


def check_backward_validity(inputs: Iterable[Any], *, stacklevel: int = 2) -> None:
    """Warn if no argument requires a gradient."""
    if not any(item.requires_grad for item in inputs if isinstance(item, Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=stacklevel)


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """States of the generators of the arguments' devices: none, since all random numbers come from one generator."""
    return [], []


def set_device_states(devices: Sequence[int], states: Sequence[Tensor], *, device_type: str | None = None) -> None:
    """Set the states that ``get_device_states`` gave, which are none.

    Raises:
        NotImplementedError: there are some, from elsewhere.
    """
    if devices or states:
        raise NotImplementedError(
            "set_device_states is not supported: devices have no generators of their own; use torch.set_rng_state"
        )


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Generator[None]:
    """Accepted: errors name what differs anyway."""
    yield


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Generator[None]:
    """Accepted: what the gradient does not need is not computed."""
    yield


class DefaultDeviceType:
    """The kind of accelerator whose generators are meant where no argument tells; kept, and without effect."""

    _kind: ClassVar[str] = "cuda"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Set it."""
        DefaultDeviceType._kind = device

    @staticmethod
    def get_device_type() -> str:
        """What was set."""
        return DefaultDeviceType._kind


def create_selective_checkpoint_contexts(policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False) -> NoReturn:
    """Not supported: which values to keep is not chosen one by one.

    Raises:
        NotImplementedError: always.
    """
    raise _unsupported("create_selective_checkpoint_contexts")


def _unsupported(name: str) -> NotImplementedError:
    return NotImplementedError(f"torch.utils.checkpoint.{name} is not supported: {UNSUPPORTED[name]}")


def __getattr__(name: str) -> Any:
    if name in UNSUPPORTED:
        raise _unsupported(name)
    raise AttributeError(f"module 'flambeau.utils.checkpoint' has no attribute '{name}'")
