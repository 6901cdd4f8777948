"""``device``: where a tensor lives, in PyTorch's spelling; no JAX here."""

import re
from typing import Any, Final

__all__ = ["CPU", "META", "as_device", "device", "get_default_device", "set_default_device"]

_KINDS = tuple(
    "cpu cuda ipu xpu mkldnn opengl opencl ideep hip ve fpga maia xla lazy vulkan mps meta hpu mtia privateuseone "
    "tpu".split()
)
_TEXT = re.compile(r"([a-z_]+)(?::(\d+))?")


class device:  # noqa: N801  (PyTorch's name)
    """Place where a tensor's values are: ``device("cpu")``, ``device("cuda", 0)``, ``device("cuda:0")``.

    Inside ``with device(...):`` tensors are made there unless another device is named.

    Attributes:
        type: kind of device, such as ``"cpu"``, ``"cuda"``, ``"tpu"`` or ``"meta"`` (shape only, no values).
        index: number of the device of its kind, or None for the current one.

    Raises:
        RuntimeError: the text names no known kind of device.

    Example:
        >>> import flambeau as torch
        >>> torch.device("cuda:0")
        device(type='cuda', index=0)

    Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.device
    """

    __module__ = "flambeau"  # where everybody finds it

    __slots__ = ("index", "type")

    def __init__(self, type: "str | device | int" = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, int):
            type, index = "cuda", type
        elif index is None:
            type, index = _parse(type)
        if type not in _KINDS:
            message = f"Expected one of {', '.join(_KINDS)} device type at start of device string: {type}"
            raise RuntimeError(message)
        self.type: Final[str] = type
        self.index: Final[int | None] = index

    def __repr__(self) -> str:
        return (
            f"device(type={self.type!r})" if self.index is None else f"device(type={self.type!r}, index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple[Any, tuple[str, int | None]]:
        return device, (self.type, self.index)

    def __enter__(self) -> "device":
        _before.append(_default)
        set_default_device(self)
        return self

    def __exit__(self, *error: object) -> None:
        set_default_device(_before.pop())


def _parse(text: str) -> tuple[str, int | None]:
    """Kind and number in a text such as ``"cuda:1"``."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise RuntimeError(f"Invalid device string: '{text}'")
    return match[1], None if match[2] is None else int(match[2])


CPU: Final = device("cpu")
META: Final = device("meta")
_default = CPU
_before: list[device] = []  # defaults to return to at the end of ``with device:`` blocks


def as_device(value: "str | device | int | None") -> device:
    """The device a user means: None is the default one, and an accelerator without a number is its first."""
    if value is None:
        return _default
    found = value if isinstance(value, device) else device(value)
    if found.type in ("cpu", "meta"):
        return CPU if found.type == "cpu" else META
    return found if found.index is not None else device(found.type, 0)


def get_default_device() -> device:
    """Device on which tensors are made when none is named."""
    return _default


def set_default_device(value: "str | device | int | None") -> None:
    """Set the device on which tensors are made when none is named; None means the CPU."""
    global _default  # noqa: PLW0603  (PyTorch keeps one default a process)
    _default = as_device(value) if value is not None else CPU
