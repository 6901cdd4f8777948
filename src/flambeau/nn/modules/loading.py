"""``Loading``: ``load_state_dict``, which takes a module's parameters and buffers; failing, it leaves all as it was."""

import re
import warnings
import weakref
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from flambeau.base.hooks import RemovableHandle
from flambeau.base.shapes import broadcast
from flambeau.differentiation.modes import no_grad
from flambeau.differentiation.tape import Tracked
from flambeau.nn.modules.members import Members
from flambeau.nn.modules.report import remedies
from flambeau.nn.modules.state import EXTRA_STATE, UNREACHABLE, hooked
from flambeau.nn.modules.transaction import Transaction, assigned, copied, failed_copy
from flambeau.nn.parameter import is_lazy
from flambeau.tensors.tensor import Tensor

if TYPE_CHECKING:
    from flambeau.nn.modules.module import Module

__all__ = ["Loading"]

_NO_VALUES = (
    "for {}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current model, which is a "
    "no-op. (Did you mean to pass `assign=True` to assign items in the state dictionary to their corresponding key in "
    "the module instead of copying them in place?)"
)
_ABSENT: Any = object()
_ASSIGN = "assign_to_params_buffers"  # PyTorch's key in the metadata that ``_load_from_state_dict`` is given
_SKIPPED = "mismatched_keys"  # likewise, our own: the list for paths whose shapes are to be passed over


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):  # pyright: ignore[reportUntypedNamedTuple]
    """What ``load_state_dict`` returns: a pair of lists, of the paths it missed and of those it could not place.

    Attributes:
        mismatched_keys: paths whose shapes differ, which were passed over as ``mismatched="skip"`` asks.
        ignored_keys: paths passed over because a pattern of ``ignore`` fits them.
    """

    mismatched_keys: Sequence[str] = ()
    ignored_keys: Sequence[str] = ()

    def __repr__(self) -> str:
        names = ("missing_keys", "unexpected_keys", "mismatched_keys", "ignored_keys")
        found = {name: getattr(self, name) for name in names}
        if not any(found.values()):
            return "<All keys matched successfully>"
        listed = [f"{name}={keys!r}" for name, keys in found.items() if keys or name in self._fields]
        return f"{type(self).__name__}({', '.join(listed)})"

    __str__ = __repr__


class _BoundHook:
    """A hook called with its module first; it keeps the module no longer alive than others do."""

    def __init__(self, hook: Callable[..., Any], module: Members | None) -> None:
        self.hook = hook
        self.module = None if module is None else weakref.ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.module is None:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {"hook": self.hook, "module": None if self.module is None else self.module()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["hook"], state["module"])


class Loading(Members):
    """Methods that take a module's state."""

    def set_extra_state(self, state: Any) -> None:
        """Take what ``get_extra_state`` gave.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.set_extra_state
        """
        raise RuntimeError(UNREACHABLE.format("set_extra_state"))

    def load_state_dict(
        self,
        state_dict: Mapping[str, Any],
        strict: bool = True,
        assign: bool = False,
        *,
        mismatched: Literal["error", "skip"] = "error",
        ignore: str | Iterable[str] = (),
    ) -> _IncompatibleKeys:
        """Take parameters and buffers from a dictionary such as ``state_dict`` gives.

        The values get the module's data types and devices; the parameters stay the same objects. If anything is wrong,
        all that is wrong is reported, with what would mend it, and everything keeps its value.

        Args:
            state_dict: the values by their paths.
            strict: whether the paths must be exactly those of the module.
            assign: whether to put the dictionary's own tensors into the module, with their data types and devices;
                tensors that are one under several names stay one. Make the optimizer afterwards.
            mismatched: what to do with a tensor of another shape: ``"error"`` as in PyTorch, whatever ``strict`` is, or
                ``"skip"`` to keep the module's own and report it. Not in PyTorch.
            ignore: patterns such as ``"head.*"``: paths that fit one are neither taken nor missed. Not in PyTorch.

        Returns:
            A pair of lists ``missing_keys`` and ``unexpected_keys``; its attributes ``mismatched_keys`` and
            ``ignored_keys`` list what was passed over.

        Raises:
            TypeError: ``state_dict`` is no mapping.
            ValueError: ``mismatched`` is neither of the two.
            RuntimeError: paths (if ``strict``), shapes or values do not fit; the text lists all of them.

        Example:
            >>> import flambeau as torch
            >>> module = torch.nn.Module()
            >>> module.weight = torch.nn.Parameter(torch.ones(2))
            >>> module.load_state_dict({"weight": torch.zeros(2)})
            <All keys matched successfully>
            >>> module.load_state_dict({"weight": torch.zeros(3)}, mismatched="skip").mismatched_keys
            ['weight']

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        if mismatched not in ("error", "skip"):
            raise ValueError(f'mismatched must be "error" or "skip", got {mismatched!r}')
        metadata = getattr(state_dict, "_metadata", None)
        fits = _fitting(ignore)
        ignored = [path for path in state_dict if fits(path)]
        state: Any = OrderedDict(state_dict)
        for path in ignored:
            del state[path]
        if metadata is not None:
            state._metadata = metadata
        load = _Load(self, state, assign, mismatched == "skip")
        try:
            load.take(self, state, "")
            ignored += [path for path in load.missing if fits(path) and path not in ignored]
            load.missing[:] = [path for path in load.missing if not fits(path)]
            load.finish(strict)
        except BaseException:
            load.transaction.undo()
            raise
        found = _IncompatibleKeys(load.missing, load.unexpected)
        found.mismatched_keys, found.ignored_keys = load.mismatched, ignored
        return found

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take this module's own parameters and buffers from a dictionary; classes may override it."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = local_metadata.get(_ASSIGN, False)
        skipped = local_metadata.get(_SKIPPED)
        own = _own_members(self)
        with no_grad():
            for name, member in own.items():
                path = prefix + name
                if path not in state_dict:
                    if strict:
                        missing_keys.append(path)
                    continue
                value = _accepted(path, member, state_dict[path], assign, error_msgs, skipped)
                if value is None:
                    continue
                try:
                    if assign:
                        setattr(self, name, assigned(member, value))
                    else:
                        member.write(Tracked(copied(member, value), None))
                except Exception as error:  # noqa: BLE001  (whatever it is, it is reported with all others)
                    error_msgs.append(failed_copy(path, member, value, error))
        self._take_extra_state(state_dict, prefix + EXTRA_STATE, strict, missing_keys, unexpected_keys)
        if strict:
            unexpected_keys.extend(_parts(state_dict, prefix, own, self._modules)[1])

    def _take_extra_state(
        self, state_dict: Any, path: str, strict: bool, missing: list[str], unexpected: list[str]
    ) -> None:
        if type(self).set_extra_state is not Loading.set_extra_state:
            if path in state_dict:
                self.set_extra_state(state_dict[path])
            elif strict:
                missing.append(path)
        elif strict and path in state_dict:
            unexpected.append(path)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook`` before this module takes its own state.

        It is called with (module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs), and may change the dictionary and the lists.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_load_state_dict_pre_hook
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        """The older form: the hook is called without the module unless told."""
        return hooked(self._load_state_dict_pre_hooks, _BoundHook(hook, self if with_module else None))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` once this module and its children have taken their state.

        The two lists may be changed in place; what is left in them is what ``strict`` looks at.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_load_state_dict_post_hook
        """
        return hooked(self._load_state_dict_post_hooks, hook)


_OWN = Loading._load_from_state_dict  # pyright: ignore[reportPrivateUsage]  # this file's


class _Load:
    """One ``load_state_dict``: the walk, and what it found wrong."""

    def __init__(self, root: Any, state: Any, assign: bool, skip: bool) -> None:
        self.root = root
        self.state = state
        self.metadata = getattr(state, "_metadata", None)
        self.assign = assign
        self.skip = skip
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        self.mismatched: list[str] = []
        self.transaction = Transaction(root, _is_ordinary, state.values() if assign else ())

    def take(self, module: Any, state: Any, prefix: str) -> None:
        """Have a module and all inside it take their state, or plan it."""
        if _is_ordinary(module):
            parts = self._plan(module, state, prefix)
        else:
            self.transaction.before_others()
            lists = (self.missing, self.unexpected, self.errors)
            module._load_from_state_dict(state, prefix, self._metadata_of(prefix), True, *lists)
            parts = _parts(state, prefix, {}, module._modules)[0]
        for name, child in module._modules.items():
            if child is not None:
                self.take(child, parts.get(name) or {}, f"{prefix}{name}.")
        if module._load_state_dict_post_hooks:
            self.transaction.before_others()
            self._call_post_hooks(module)

    def _plan(self, module: Any, state: Any, prefix: str) -> dict[str, dict[str, Any]]:
        """Plan what a module without code of its own for loading takes; returns what is below each child.

        This is what ``_load_from_state_dict`` does, in the same order.
        """
        own = _own_members(module)
        copies = self.transaction.copies
        skipped = self.mismatched if self.skip else None
        found = 0
        for name, member in own.items():
            path = prefix + name
            value = state.get(path, _ABSENT)
            if value is _ABSENT:
                self.missing.append(path)
                continue
            found += 1
            if not self.assign and _is_alike(member, value):
                copies.append((member, value.read()))
                continue
            value = _accepted(path, member, value, self.assign, self.errors, skipped)
            if value is None:
                continue
            if self.assign:
                self.transaction.assignments.append((module, name, path, member, value))
                continue
            try:
                copies.append((member, copied(member, value)))
            except Exception as error:  # noqa: BLE001  (whatever it is, it is reported with all others)
                self.errors.append(failed_copy(path, member, value, error))
        if found == len(state):
            return {}
        if prefix + EXTRA_STATE in state:
            self.unexpected.append(prefix + EXTRA_STATE)
        parts, strangers = _parts(state, prefix, own, module._modules)
        self.unexpected.extend(strangers)
        return parts

    def _metadata_of(self, prefix: str) -> dict[str, Any]:
        """What ``_load_from_state_dict`` is told about a module: what the file says, and the ways of this call."""
        metadata: dict[str, Any] = {} if self.metadata is None else self.metadata.get(prefix[:-1], {})
        if self.assign:
            metadata = {**metadata, _ASSIGN: True}
        if self.skip:
            metadata = {**metadata, _SKIPPED: self.mismatched}
        return metadata

    def _call_post_hooks(self, module: Any) -> None:
        keys = _IncompatibleKeys(self.missing, self.unexpected)
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                    "values, if incompatible_keys need to be modified, it should be done inplace."
                )

    def finish(self, strict: bool) -> None:
        """Do what is planned if nothing is wrong.

        Raises:
            RuntimeError: something is; the text lists it, in PyTorch's words, and then what would mend it.
        """
        errors = [*(self._key_errors() if strict else ()), *self.errors]
        if not errors:
            self.transaction.commit()
            errors = self.transaction.errors
        if errors:
            missing, unexpected = (self.missing, self.unexpected) if strict else ([], [])
            errors += remedies(self.root, self.state, missing, unexpected, mismatched=not self.skip)
            lines = "\n\t".join(errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self.root).__name__}:\n\t{lines}")
        if self.assign:
            self.transaction.retie()

    def _key_errors(self) -> list[str]:
        """The lines about missing and unexpected paths."""
        kinds = (("Missing", self.missing), ("Unexpected", self.unexpected))
        return [
            "{} key(s) in state_dict: {}. ".format(kind, ", ".join(f'"{path}"' for path in paths))
            for kind, paths in kinds
            if paths
        ]


def _is_ordinary(module: Any) -> bool:
    """Whether a module takes its state without any code of the user's; what follows it may have some."""
    kind: Any = module.__class__
    fields = module.__dict__
    return (
        kind._load_from_state_dict is _OWN
        and kind.set_extra_state is Loading.set_extra_state
        and not fields.get("_load_state_dict_pre_hooks", True)
        and not fields["_load_state_dict_post_hooks"]
        and "_load_from_state_dict" not in fields
    )


def _own_members(module: Any) -> dict[str, Any]:
    """A module's own parameters and persistent buffers by name."""
    temporary = module._non_persistent_buffers_set
    buffers = module._buffers.items()
    kept = [item for item in buffers if item[0] not in temporary] if temporary else buffers
    return {name: member for name, member in chain(module._parameters.items(), kept) if member is not None}


def _accepted(
    path: str, member: Tensor, value: Any, assign: bool, errors: list[str], skipped: list[str] | None
) -> Tensor | None:
    """A checkpoint's value if it fits a tensor of the module; else None, and a line says why."""
    if not isinstance(value, Tensor):
        errors.append(
            f'While copying the parameter named "{path}", expected torch.Tensor or Tensor-like object from checkpoint '
            f"but received {type(value)}"
        )
        return None
    if is_lazy(member):
        return _accepted_uninitialized(path, member, value, assign, errors)
    shape = member.shape
    if not shape and value.shape == (1,):  # a number as PyTorch wrote it before version 0.4
        value = value[0]
    if value.shape != shape:
        if skipped is not None:
            skipped.append(path)
            return None
        errors.append(
            f"size mismatch for {path}: copying a param with shape {value.shape} from checkpoint, the shape in current "
            f"model is {shape}."
        )
        return None
    if member.is_meta and not value.is_meta and not assign:
        warnings.warn(_NO_VALUES.format(path), UserWarning, stacklevel=5)
        return None
    return value


def _accepted_uninitialized(path: str, member: Tensor, value: Tensor, assign: bool, errors: list[str]) -> Tensor | None:
    """A checkpoint's value for a tensor without a shape: it can take its place, but there is nothing to copy into."""
    if assign:
        return value
    if not is_lazy(value):
        try:
            broadcast((0,), value.shape)
        except RuntimeError as error:
            errors.append(failed_copy(path, member, value, error))
    return None


def _is_alike(member: Tensor, value: Any) -> bool:
    """Whether a checkpoint's value has the shape, the data type and the device of a tensor of the module."""
    try:
        return isinstance(value, Tensor) and value.aval is member.aval
    except ValueError:  # one of them is uninitialized
        return False


def _parts(
    state: Any, prefix: str, own: dict[str, Any], children: "dict[str, Module | None]"
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What of a dictionary is below each child, and the paths that lead to nothing of the module's; in one pass."""
    parts: dict[str, dict[str, Any]] = {name: {} for name in children}
    strangers: list[str] = []
    start = len(prefix)
    extra = prefix + EXTRA_STATE
    for path, value in state.items():
        if not path.startswith(prefix):
            continue
        end = path.find(".", start)
        if end < 0:
            if path[start:] not in own and path != extra:
                strangers.append(path)
            continue
        part = parts.get(path[start:end])
        if part is None:
            strangers.append(path)
        else:
            part[path] = value
    for name in children:
        if "." in name:  # only put there by hand, past add_module
            below = f"{prefix}{name}."
            parts[name] = {path: value for path, value in state.items() if path.startswith(below)}
    return parts, strangers


def _fitting(patterns: str | Iterable[str]) -> Callable[[str], bool]:
    """Whether a path fits one of the patterns, in which ``*``, ``?`` and ``[...]`` have a shell's meaning."""
    several = [patterns] if isinstance(patterns, str) else list(patterns)
    if not several:
        return lambda path: False
    found = re.compile("|".join(map(translate, several)))
    return lambda path: found.match(path) is not None
