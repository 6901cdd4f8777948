"""``UninitializedParameter`` and ``UninitializedBuffer``: tensors of a module whose shape is not known yet."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

from flambeau.devices.device import as_device
from flambeau.dtypes.kinds import get_default_dtype
from flambeau.tensors.creation import empty
from flambeau.tensors.parameter import Parameter
from flambeau.tensors.tensor import Tensor

if TYPE_CHECKING:
    from flambeau.devices.device import device as Device
    from flambeau.dtypes.kinds import dtype as Dtype

__all__ = ["UninitializedBuffer", "UninitializedParameter", "UninitializedTensorMixin", "is_lazy"]

# What may be done before there are elements: moves and conversions of data type, as on the empty ``data``.
_MOVES = ("bfloat16", "char", "cpu", "cuda", "double", "float", "half", "int", "long", "short", "to", "type")


class UninitializedTensorMixin(Tensor):
    """A tensor that has a data type and a device, but no shape and no elements until it is materialized.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.UninitializedParameter.html
    """

    cls_to_become: ClassVar[type[Tensor]]

    _empty: Tensor  # without elements; holds the data type and the device

    @property
    def _storage(self) -> NoReturn:  # pyright: ignore[reportIncompatibleVariableOverride]  # there is none
        name = type(self).__name__
        raise ValueError(
            f"Attempted to use an uninitialized parameter in an operation. This error happens when you are using a "
            f"`LazyModule` or explicitly manipulating `torch.nn.parameter.{name}` objects. When using LazyModules Call "
            "`forward` with a dummy batch to initialize the parameters before calling torch functions"
        )

    @property
    def shape(self) -> NoReturn:
        """There is none.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` "
            "to initialize the parameters before accessing their attributes."
        )

    @property
    def dtype(self) -> "Dtype":
        """Data type of the elements to come."""
        return self._empty.dtype

    @property
    def device(self) -> "Device":
        """Device of the elements to come."""
        return self._empty.device

    @property
    def is_meta(self) -> bool:
        """Whether the elements to come have a shape only."""
        return self._empty.is_meta

    @property
    def data(self) -> Tensor:
        """An empty tensor of the same data type and device; assigning another takes its data type and device."""
        return self._empty

    @data.setter
    def data(self, value: Tensor) -> None:
        self._empty = value.data if isinstance(value, UninitializedTensorMixin) else value

    def materialize(
        self, shape: Sequence[int], device: "Device | str | None" = None, dtype: "Dtype | None" = None
    ) -> None:
        """Become an ordinary parameter or buffer of this shape; the same object, its elements unspecified.

        Args:
            shape: sizes of the dimensions.
            device: where the elements are; by default where ``data`` is.
            dtype: their data type; by default that of ``data``.

        Example:
            >>> import flambeau as torch
            >>> weight = torch.nn.UninitializedParameter()
            >>> weight
            <UninitializedParameter>
            >>> weight.materialize((2, 3))
            >>> weight.shape
            torch.Size([2, 3])

        Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.UninitializedParameter.html
        """
        kind = self._empty
        self.__class__ = cast("Any", self.cls_to_become)  # the same object, so that whoever holds it sees it
        self.take_storage(empty(tuple(shape), device=device or kind.device, dtype=dtype or kind.dtype))
        del self._empty

    def is_floating_point(self) -> bool:
        """Whether the data type is a floating one."""
        return self._empty.is_floating_point()

    def is_complex(self) -> bool:
        """Whether the data type is a complex one."""
        return self._empty.is_complex()

    def detach(self) -> Tensor:
        """The tensor itself: it has no elements to share."""
        return self

    def share_memory_(self) -> NoReturn:
        """There is nothing to share.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters "
            "before calling `module.share_memory()`."
        )

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        found = memo.get(id(self))
        if found is None:
            found = memo[id(self)] = cast("Any", type(self))(self.requires_grad, self.device, self.dtype)
        return found

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, self.device, self.dtype)


def _moving(name: str) -> Any:
    def move(self: UninitializedTensorMixin, *args: Any, **kwargs: Any) -> Any:
        moved = getattr(self.data, name)(*args, **kwargs)
        if isinstance(moved, str):  # type() without arguments asks for the data type's name
            return moved
        result = object.__new__(type(self))
        result.__dict__.update(self.__dict__, _empty=moved)
        return result

    move.__name__ = name
    move.__doc__ = f"One of the data type and device that ``data.{name}(...)`` has."
    return move


for _name in _MOVES:
    setattr(UninitializedTensorMixin, _name, _moving(_name))


def is_lazy(param: Any) -> bool:
    """Whether something is an uninitialized parameter or buffer.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.parameter.is_lazy(torch.nn.UninitializedBuffer())
        True
    """
    return isinstance(param, UninitializedTensorMixin)


def _uninitialized(cls: Any, requires_grad: bool, device: Any, dtype: Any) -> Any:
    result = object.__new__(cls)
    result._empty = empty(0, device=as_device(device), dtype=dtype or get_default_dtype())
    result._requires_grad = bool(requires_grad)
    return result


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # pyright: ignore[reportIncompatibleVariableOverride]  # no storage yet
    """A parameter whose shape is not known yet; it can be moved, converted, and materialized, and nothing else.

    Args:
        requires_grad: whether operations on it will be taped.
        device: where its elements will be.
        dtype: their data type.

    Raises:
        ValueError: it is used in an operation.
        RuntimeError: its shape is asked for.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.UninitializedParameter().dtype
        torch.float32

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.UninitializedParameter.html
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:  # noqa: D102
        return _uninitialized(cls, requires_grad, device, dtype)


class UninitializedBuffer(UninitializedTensorMixin):
    """A buffer whose shape is not known yet; see ``UninitializedParameter``.

    Args:
        requires_grad: whether operations on it will be taped.
        device: where its elements will be.
        dtype: their data type.
        persistent: whether it is part of the module's ``state_dict``.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.UninitializedBuffer()
        <UninitializedBuffer>

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.UninitializedBuffer.html
    """

    cls_to_become = Tensor
    persistent: bool

    def __new__(  # noqa: D102  (the class documents it)
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        result = _uninitialized(cls, requires_grad, device, dtype)
        result.persistent = persistent
        result._is_buffer = True
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        result = super().__deepcopy__(memo)
        result.persistent = self.persistent
        return result

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, self.device, self.dtype, self.persistent)
