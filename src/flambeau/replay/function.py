"""``CompiledFunction``: a function that is recorded once for each kind of call, and replayed."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeAlias
from weakref import WeakSet

from flambeau.base.config import config
from flambeau.base.tree import flatten
from flambeau.differentiation.anomaly import WATCHES
from flambeau.differentiation.points import Point
from flambeau.graph.observing import MismatchError, observed_by, observer, player
from flambeau.graph.record import MAPPING
from flambeau.replay.arguments import Arguments, arguments_of
from flambeau.replay.guards import Guards
from flambeau.replay.operations import OperationReplay
from flambeau.replay.program import ProgramReplay
from flambeau.replay.recording import Recording, Unsupported
from flambeau.replay.results import left_by
from flambeau.replay.world import World
from flambeau.runtime.force import force_all

__all__ = ["CompiledFunction", "forget_all"]

_LOG: Final = logging.getLogger("flambeau")
Replay: TypeAlias = ProgramReplay | OperationReplay

_LIMIT: Final = 8  # recordings of one kind of call: before they agree, and of those that are kept
_KINDS: Final = 64  # kinds of calls that are remembered


_functions: "WeakSet[CompiledFunction]" = WeakSet()


def forget_all() -> None:
    """Forget the recordings of all compiled functions."""
    for function in list(_functions):
        function.reset()


class _Site:
    """What is known of one kind of call.

    Attributes:
        replays: recordings to be replayed, the one used last first.
        candidates: recordings that none has confirmed yet.
        attempts: how many recordings in a row have confirmed none.
        refused: why calls of this kind are recorded every time, as if the function were not compiled.
    """

    def __init__(self) -> None:
        self.replays: list[Replay] = []
        self.candidates: list[Replay] = []
        self.attempts = 0
        self.refused: str | None = None


class CompiledFunction:
    """A function, and the recordings of its calls.

    Args:
        function: what to call.
        fullgraph: whether to raise where a call cannot be replayed.
        limit: how many recordings there may be of one kind of call.
        name: what the log calls it.
    """

    observed_as = "compiled"  # what another function that is compiled takes it for

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        fullgraph: bool = False,
        limit: int | None = None,
        name: str | None = None,
    ) -> None:
        self.replayed_function = function
        self.fullgraph = fullgraph
        self.limit = _LIMIT if limit is None else limit
        self.name = name or getattr(function, "__qualname__", None) or type(function).__name__
        self._sites: OrderedDict[Any, _Site] = OrderedDict()
        _functions.add(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Replay a recording that fits, or record the call."""
        if config.eager or MAPPING or WATCHES or observer() is not None or player() is not None:
            return self.replayed_function(*args, **kwargs)
        given = arguments_of(args, kwargs)
        site = self._site(given)
        if site.refused is not None:
            if self.fullgraph:
                raise Unsupported(site.refused)
            return self.replayed_function(*args, **kwargs)
        for index, replay in enumerate(site.replays):
            if replay.guards.hold(given.tensors):
                try:
                    result = replay.play(given.tensors)
                except MismatchError:
                    continue
                if index:
                    site.replays.insert(0, site.replays.pop(index))
                return result
        return self._record(site, given, args, kwargs)

    def _site(self, given: Arguments) -> _Site:
        sites = self._sites
        found = sites.get(given.key)
        if found is None:
            found = sites[given.key] = _Site()
            if len(sites) > _KINDS:
                sites.popitem(last=False)
        return found

    def reset(self) -> None:
        """Forget all recordings."""
        self._sites.clear()

    # -- recording ---------------------------------------------------------------------------------------------

    def _record(self, site: _Site, given: Arguments, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        force_all()
        world = World([self.replayed_function, *given.objects])
        recording = Recording(world, given.tensors, strict=self.fullgraph)
        doubt = world.doubt or _doubt_of(recording)
        if doubt is not None:
            self._refuse(site, doubt)
            return self.replayed_function(*args, **kwargs)
        with observed_by(recording):
            result = self.replayed_function(*args, **kwargs)
        if recording.broken is None:
            self._keep(site, recording, result)
        if recording.broken is not None:
            self._refuse(site, recording.broken)
        return result

    def _keep(self, site: _Site, recording: Recording, result: Any) -> None:
        """Make a recording ready for replay, once another one has shown the same."""
        left = left_by(recording, result)
        if recording.broken is not None:
            return
        change = recording.change()
        if not left.live:
            replay: Replay = ProgramReplay(recording, Guards(recording), left)
        elif change is None:
            replay = OperationReplay(recording, Guards(recording), left, flatten(result)[0])
        else:
            self._count(site, change)
            return
        if recording.broken is not None:
            return
        if change is not None:
            self._count(site, change)
        elif any(map(replay.like, site.candidates)):
            replay.settle()
            site.candidates.clear()
            site.attempts = 0
            site.replays.insert(0, replay)
            if len(site.replays) > self.limit:
                self._refuse(site, f"{self.limit} recordings of calls of this kind are kept, and none fits")
        else:
            site.candidates[:0] = [replay]
            del site.candidates[_LIMIT // 2 :]
            self._count(site, "its calls do different things")

    def _count(self, site: _Site, reason: str) -> None:
        """Count a recording that confirms none; too many in a row are enough."""
        site.attempts += 1
        if site.attempts >= self.limit:
            self._refuse(site, reason)

    def _refuse(self, site: _Site, reason: str) -> None:
        """Have calls of this kind recorded every time."""
        site.refused = reason
        site.replays.clear()
        site.candidates.clear()
        if self.fullgraph:
            raise Unsupported(reason)
        _LOG.warning("%s is not replayed, but recorded at every call: %s", self.name, reason)


def _doubt_of(recording: Recording) -> str | None:
    """Why a call is not to be recorded for replay."""
    count = len(recording.tensors) - recording.given
    for index, tensor in enumerate(recording.tensors):
        function = tensor._grad_fn
        if isinstance(function, Point) or (function is not None and index < count):
            return "a tensor that it reaches is on the tape already"
        if tensor._grad is not None and (tensor._grad._requires_grad or tensor._grad._steps is not None):
            return "a gradient is on the tape, or a view"
    storages = {id(tensor._storage) for tensor in recording.tensors[:count]}
    if any(id(tensor._storage) in storages for tensor in recording.tensors[count:]):
        return "an argument is also reached in another way"
    return None
