"""Valid files of every container, small, with a bit of everything: what fuzzing starts from."""

import io
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from flambeau.checkpoint import (
    Checkpoint,
    DeviceRecord,
    StorageRecord,
    TensorRecord,
    read,
    write,
    write_npz,
    write_safetensors,
)
from tests.checkpoint.crafting import HOOKS, Part, call, checkpoint, pickled, sequence, tensor, text, zip_bytes
from tests.checkpoint.test_legacy import GOLDEN, SIX_BLOCK, keys_of, old_storage, stream
from tests.checkpoint.test_script import NET, script
from tests.checkpoint.test_tar import BODY, STORAGE, TENSOR, tar_bytes, tar_members

__all__ = ["CORPUS", "Sample", "text_of"]


@dataclass(frozen=True)
class Sample:
    """A valid file.

    Attributes:
        container: its kind.
        data: its bytes.
        checked: whether every byte that matters stands under a checksum.
        unknown: what becomes of objects of unknown classes.
        inner: a part of it that can be changed and sealed again.
        seal: makes a file, with right checksums, of such a part; None if there is none.
    """

    container: str
    data: bytes
    checked: bool
    inner: bytes = b""
    seal: Callable[[bytes], bytes] | None = None
    unknown: Literal["error", "record"] = "error"

    def read(self, data: bytes) -> str:
        """Everything that a file, read in this sample's way, holds."""
        return text_of(read(data, unknown=self.unknown))

    @property
    def text(self) -> str:
        """Everything it holds, as text."""
        return _texts[self.data, self.unknown]


def text_of(checkpoint: Checkpoint) -> str:
    """Everything a checkpoint holds, as text; every storage is looked at."""
    return "\n".join(_lines(checkpoint.obj, 0))


def _lines(value: Any, depth: int) -> list[str]:
    if depth > 60:
        return ["deep"]
    if isinstance(value, TensorRecord):
        array = value.array()
        shown = array.tobytes().hex() if array.nbytes < 4_096 else str(array.shape)
        return [f"{value.dtype} {value.shape} {value.stride} {value.requires_grad} {value.is_parameter} {shown}"]
    if isinstance(value, dict):
        return [f"{type(value).__name__} {len(value)}"] + [
            line for key, item in list(value.items())[:50] for line in (repr(key)[:200], *_lines(item, depth + 1))
        ]
    if type(value) in (list, tuple):
        return [f"{type(value).__name__} {len(value)}"] + [
            line for item in value[:50] for line in _lines(item, depth + 1)
        ]
    return [type(value).__name__ if isinstance(value, (set, frozenset)) else repr(value)[:500]]


def _saved() -> bytes:
    shared = StorageRecord.from_array(np.arange(12, dtype=np.float32))
    state = OrderedDict(
        weight=TensorRecord("float32", (3, 4), (4, 1), 0, shared, requires_grad=True, is_parameter=True),
        row=TensorRecord("float32", (4,), (1,), 4, shared),
        half=TensorRecord.from_array(np.arange(6, dtype=np.float16).reshape(2, 3)),
        steps=TensorRecord.from_array(np.array(7)),
    )
    vars(state)["_metadata"] = {"": {"version": 1}}
    file = io.BytesIO()
    write({"net": state, "epoch": 20, "names": ["a", b"b", (1.5, None, {2})], "device": DeviceRecord("cpu")}, file)
    return file.getvalue()


_SIX = np.arange(6, dtype=np.float32).tobytes()
_CRAFTED = pickled(
    b"}"
    + text("w")
    + tensor()
    + b"s"
    + text("more")
    + sequence(text("a"), b"K\x05", b"G?\xf0\0\0\0\0\0\0", call("collections.OrderedDict"), HOOKS)
    + b"s"
)


def _crafted(pickle: bytes) -> bytes:
    return checkpoint(pickle, {"0": _SIX})


def _deflated(pickle: bytes) -> bytes:
    return zip_bytes([Part("t/data.pkl", pickle, deflated=True), Part("t/data/0", _SIX), Part("t/version", b"3\n")])


def _old(body: bytes) -> bytes:
    return stream(body, keys_of("0"), SIX_BLOCK)


def _tar(body: bytes) -> bytes:
    return tar_bytes(tar_members(body, [STORAGE], [TENSOR]))


def _written(kind: str) -> bytes:
    """One of the flat formats."""
    file = io.BytesIO()
    tensors = {
        "w": TensorRecord.from_array(np.arange(6, dtype=np.float32).reshape(2, 3)),
        "n": TensorRecord.from_array(np.array(7)),
    }
    (write_safetensors if kind == "safetensors" else write_npz)(tensors, file)
    return file.getvalue()


_BODY = tensor(old_storage())

CORPUS: list[Sample] = [
    Sample("zip", _saved(), True),
    Sample("zip", _crafted(_CRAFTED), True, _CRAFTED, _crafted),
    Sample("zip, unknown as records", _crafted(_CRAFTED), True, _CRAFTED, _crafted, "record"),
    Sample("zip, deflated", _deflated(_CRAFTED), True, _CRAFTED, _deflated),
    Sample("before 1.6", _old(_BODY), False),
    Sample("before 1.6", GOLDEN, False, unknown="record"),
    Sample("tar", _tar(BODY), False),
    Sample("TorchScript", script(NET), True, NET, script, "record"),
    Sample("safetensors", _written("safetensors"), False),
    Sample("npz", _written("npz"), True),
]

_texts = {(sample.data, sample.unknown): sample.read(sample.data) for sample in CORPUS}
