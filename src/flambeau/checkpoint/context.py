"""What the functions behind permitted names may use while they rebuild an object, and how they are called."""

from collections.abc import Callable
from dataclasses import dataclass, field

from flambeau.base.errors import BadCall, LoadError
from flambeau.checkpoint.budget import Budget
from flambeau.checkpoint.builders import Builders
from flambeau.checkpoint.byte_order import ByteOrder
from flambeau.checkpoint.limits import NESTED_FILES
from flambeau.checkpoint.records import TensorRecord
from flambeau.checkpoint.special_records import SpecialRecord

__all__ = ["Context", "Permitted"]


@dataclass(slots=True)
class Context:
    """Shared by everything that rebuilds one file's object.

    Attributes:
        name: how errors call the pickle.
        builders: what records become.
        budget: what the pickle may ask for.
        order: turns storages into this machine's byte order.
        encoding: how byte strings of Python 2 are read; ``"bytes"`` keeps them, None means UTF-8 or else Latin-1.
        dtypes: what each element type named so far became.
        layouts: what each layout named so far became.
        tensors: the tensors rebuilt so far, by the identity of what they became: this, and the record.
        configurations: the collections that stand for OmegaConf's and have no content yet, by their identity.
        as_records: whether objects of unknown classes become records instead of errors.
        nested: reads a file inside the file; None where that is not to be done again.
        nested_left: how many more of these may be read.
    """

    name: str
    builders: Builders
    budget: Budget
    order: ByteOrder
    encoding: str | None = None
    dtypes: dict[str, object] = field(default_factory=dict[str, object])
    layouts: dict[str, object] = field(default_factory=dict[str, object])
    tensors: dict[int, tuple[object, TensorRecord | SpecialRecord]] = field(
        default_factory=dict[int, "tuple[object, TensorRecord | SpecialRecord]"]
    )
    configurations: dict[int, object] = field(default_factory=dict[int, object])
    as_records: bool = False
    nested: Callable[[bytes], object] | None = None
    nested_left: int = NESTED_FILES

    def error(self, kind: type[LoadError], text: str) -> LoadError:
        """Make an error that names the pickle."""
        return kind(f"{self.name}: {text}")

    def bytes_of(self, value: object) -> bytes | None:
        """Give bytes, also those that Python 2 wrote in the same way as text, or None."""
        if isinstance(value, str):
            encoding = "latin1" if self.budget.is_guessed(value) or self.encoding == "bytes" else self.encoding
            try:
                return value.encode(encoding or "utf-8")
            except UnicodeEncodeError:
                return None
        return value if isinstance(value, bytes) else None


@dataclass(frozen=True, slots=True)
class Permitted:
    """A function of ours behind a name that a pickle may call.

    Attributes:
        function: takes the context and the arguments in the pickle, and checks each of them.
        least: smallest number of arguments.
        most: largest number of arguments.
    """

    function: Callable[..., object]
    least: int
    most: int

    def call(self, context: Context, name: str, arguments: tuple[object, ...]) -> object:
        """Call the function with a number of arguments that it takes."""
        if not self.least <= len(arguments) <= self.most:
            raise context.error(BadCall, f"{name} is called with {len(arguments)} arguments")
        return self.function(context, *arguments)
