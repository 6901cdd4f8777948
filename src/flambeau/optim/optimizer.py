"""``Optimizer``: parameter groups, state by parameter, hooks; what an optimizer is, apart from its algorithm."""

import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, TypeAlias, cast

from flambeau.base.hooks import RemovableHandle
from flambeau.differentiation.modes import no_grad
from flambeau.optim.groups import REQUIRED, as_groups, checked_group
from flambeau.optim.packing import packed, unpacked
from flambeau.tensors.tensor import Tensor

__all__ = [
    "Optimizer",
    "ParamsT",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]

required = REQUIRED
"""The default of a setting that every group has to say; optimizers of one's own give it."""

ParamsT: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
"""What an optimizer is made from: parameters, groups of them, or pairs (name, parameter)."""

Hook: TypeAlias = Callable[..., Any]

_global_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_post_hooks: OrderedDict[int, Hook] = OrderedDict()


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before every step of every optimizer.

    Args:
        hook: may return None, or a pair (args, kwargs) that takes the place of the step's arguments.

    Returns:
        A handle; its ``remove()`` takes the hook away.
    """
    return _registered(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after every step of every optimizer; see the one before."""
    return _registered(_global_post_hooks, hook)


def _registered(hooks: MutableMapping[int, Hook], hook: Hook, prepend: bool = False) -> RemovableHandle:
    """Keep a hook, last or first."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        cast("OrderedDict[int, Hook]", hooks).move_to_end(handle.id, last=False)
    return handle


class Optimizer:
    """Base class of optimizers.

    Args:
        params: the tensors to optimize, pairs (name, tensor), or dictionaries that each describe a group: its tensors
            under ``"params"``, and settings of its own.
        defaults: settings for groups that do not say.

    Attributes:
        param_groups: the groups, as dictionaries.
        state: for each parameter a dictionary of what the algorithm remembers about it.
        defaults: the settings for groups added later.

    Raises:
        TypeError: ``params`` is a single tensor, or holds something other than tensors.
        ValueError: ``params`` is empty, or holds a tensor that is not a leaf.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.ones(2, requires_grad=True)
        >>> optimizer = torch.optim.SGD([weight], lr=0.5)
        >>> (weight * weight).sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.0, 0.0]

    Source: https://docs.pytorch.org/docs/stable/optim.html#base-class
    """

    observed_as = "optimizer"  # what a function that is compiled takes it for
    _opt_called = False  # whether a step was taken; learning rate schedulers look at it

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_hooks()
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        for group in as_groups(params):
            self.add_param_group(group)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        step = cls.__dict__.get("step")
        if step is not None and not getattr(step, "hooked", False):
            cls.step = Optimizer.profile_hook_step(step)

    def _make_hooks(self) -> None:
        """The places where hooks are kept, as far as they are not there."""
        for name in ("step_pre", "step_post", "state_dict_pre", "state_dict_post", "load_state_dict_pre",
                     "load_state_dict_post"):  # fmt: skip
            self.__dict__.setdefault(f"_optimizer_{name}_hooks", OrderedDict())

    def _hooks(self, name: str) -> "OrderedDict[int, Hook]":
        return self.__dict__[f"_optimizer_{name}_hooks"]

    # -- groups --------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, for instance of layers that are trained from now on.

        Args:
            param_group: the tensors under ``"params"``, and settings that differ from the defaults.

        Raises:
            TypeError: it is no dictionary, or its parameters are no tensors.
            ValueError: a parameter is in a group already, or is not a leaf.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.add_param_group.html
        """
        self.param_groups.append(checked_group(param_group, self.defaults, self.param_groups))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters.

        Args:
            set_to_none: make ``.grad`` None, which needs no memory; otherwise fill it with zeros.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.zero_grad.html
        """
        for group in self.param_groups:
            for param in group["params"]:
                gradient = param.grad
                if gradient is None:
                    continue
                if set_to_none:
                    param.grad = None
                else:
                    with no_grad():
                        param.grad = gradient.detach()
                        param.grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss anew, with gradients, before the update.

        Returns:
            What ``closure`` returned, or None.

        Raises:
            NotImplementedError: the class defines no step of its own.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.step.html
        """
        raise NotImplementedError(f"{type(self).__name__} defines no step(); write one in the subclass")

    @staticmethod
    def profile_hook_step(func: Callable[..., Any]) -> Callable[..., Any]:
        """A step that runs the hooks around it; done for every subclass that defines ``step``."""

        @functools.wraps(func)
        def hooked_step(self: "Optimizer", *args: Any, **kwargs: Any) -> Any:
            self._opt_called = True
            pre, post = self._hooks("step_pre"), self._hooks("step_post")
            if not (pre or post or _global_pre_hooks or _global_post_hooks):
                return func(self, *args, **kwargs)
            given: tuple[Any, ...] = (self, *args)
            for hook in (*_global_pre_hooks.values(), *pre.values()):
                given, kwargs = _replaced(func, hook(self, given, kwargs), (given, kwargs))
            result = func(*given, **kwargs)
            for hook in (*post.values(), *_global_post_hooks.values()):
                hook(self, given, kwargs)
            return result

        vars(hooked_step)["hooked"] = True  # PyTorch's marker
        return hooked_step

    # -- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The state of the optimizer as plain values.

        Returns:
            A dictionary of ``"state"``, for the index of each parameter what is remembered about it, and
            ``"param_groups"``, the groups with indexes for parameters. Its tensors are the optimizer's own.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.state_dict.html
        """
        for hook in list(self._hooks("state_dict_pre").values()):
            hook(self)
        result = packed(self.param_groups, self.state)
        for hook in list(self._hooks("state_dict_post").values()):
            replaced = hook(self, result)
            result = result if replaced is None else replaced
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state that ``state_dict`` of an optimizer of the same class returned.

        Each parameter takes what was saved at its position. If both optimizers were made from pairs (name, parameter),
        it takes what was saved under its name, in whatever order or group; new parameters begin anew. On an error
        nothing is changed.

        Args:
            state_dict: the state.

        Raises:
            ValueError: the groups do not match in number or size, or state has another shape than its parameter.

        Warns:
            UserWarning: both sides have names, but not the same ones, or not in the same groups.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.load_state_dict.html
        """
        state_dict = state_dict.copy()
        for hook in list(self._hooks("load_state_dict_pre").values()):
            replaced = hook(self, state_dict)
            state_dict = state_dict if replaced is None else replaced
        state, groups = unpacked(state_dict, self.param_groups)
        before = {"state": self.state, "param_groups": self.param_groups}
        try:
            self.__setstate__({"state": defaultdict(dict, state), "param_groups": groups})
            for hook in list(self._hooks("load_state_dict_post").values()):
                hook(self)
        except BaseException:
            self.__dict__.update(before)
            raise

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_hooks()
        self.defaults.setdefault("differentiable", False)

    # -- hooks ---------------------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; it may return a pair (args, kwargs) to use instead.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.register_step_pre_hook.html
        """
        return _registered(self._hooks("step_pre"), hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.register_step_post_hook.html
        """
        return _registered(self._hooks("step_post"), hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before ``state_dict`` is made.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.register_state_dict_pre_hook.html
        """
        return _registered(self._hooks("state_dict_pre"), hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after ``state_dict`` is made; it may return another one.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.register_state_dict_post_hook.html
        """
        return _registered(self._hooks("state_dict_post"), hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before a state is loaded; it may return another one.

        Source:
        https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.register_load_state_dict_pre_hook.html
        """
        return _registered(self._hooks("load_state_dict_pre"), hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after a state was loaded.

        Source:
        https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.register_load_state_dict_post_hook.html
        """
        return _registered(self._hooks("load_state_dict_post"), hook, prepend)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines += ["", f"Parameter Group {number}"] if number else [f"Parameter Group {number}"]
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _replaced(
    step: Callable[..., Any], answer: Any, before: tuple[tuple[Any, ...], dict[str, Any]]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A step's arguments after a hook."""
    if answer is None:
        return before
    if isinstance(answer, tuple) and len(answer) == 2:  # pyright: ignore[reportUnknownArgumentType]
        return cast("tuple[tuple[Any, ...], dict[str, Any]]", answer)
    raise RuntimeError(f"{step} must return None or a tuple of (new_args, new_kwargs), but got {answer}.")
