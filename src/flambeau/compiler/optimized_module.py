"""``OptimizedModule``: what ``compile`` makes of a module: the module itself, but for what calling it does."""

from typing import Any

from flambeau.nn.modules.module import Module, indented
from flambeau.replay.settings import compiled

__all__ = ["OptimizedModule", "optimized"]

_PREFIX = "_orig_mod."


class OptimizedModule(Module):
    """A module whose calls are recorded once and replayed.

    It has all attributes of the module it was made from, which is its ``_orig_mod``: the two share one dictionary. So
    parameters, modes, hooks and the keys of ``state_dict`` are those of the module, whichever of the two is asked.
    """

    __slots__ = ("_compiled", "_orig_mod", "_settings")

    _compiled: Any
    _orig_mod: Module
    _settings: dict[str, Any]

    observed_as = "compiled"

    @property
    def replayed_function(self) -> Any:
        """The function that is recorded."""
        return self._compiled.replayed_function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module, or replay an earlier call."""
        return self._compiled(*args, **kwargs)

    __call__ = forward

    def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # passes on what it is given
        """Load a state whose keys may begin with ``_orig_mod.``, as those of PyTorch's compiled modules do."""
        if any(str(key).startswith(_PREFIX) for key in state_dict):
            plain = type(state_dict)((str(key).removeprefix(_PREFIX), value) for key, value in state_dict.items())
            metadata = getattr(state_dict, "_metadata", None)
            if metadata is not None:
                names = {key.removeprefix(_PREFIX).removesuffix("_orig_mod"): value for key, value in metadata.items()}
                vars(plain)["_metadata"] = names
            state_dict = plain
        return self._orig_mod.load_state_dict(state_dict, *args, **kwargs)

    def __reduce__(self) -> Any:
        return optimized, (self._orig_mod, self._settings)

    def __repr__(self) -> str:
        return f"OptimizedModule(\n  (_orig_mod): {indented(repr(self._orig_mod))}\n)"


def optimized(module: Module, settings: dict[str, Any]) -> OptimizedModule:
    """A module whose calls are compiled, with settings of ``compile``."""
    kind = type("OptimizedModule", (OptimizedModule, type(module)), {"__module__": __name__})
    result: OptimizedModule = object.__new__(kind)
    object.__setattr__(result, "__dict__", module.__dict__)
    object.__setattr__(result, "_orig_mod", module)
    object.__setattr__(result, "_settings", settings)
    object.__setattr__(result, "_compiled", compiled(module.__call__, **settings))
    return result
