"""Matrix products: methods of ``Tensor``, and the functions of several tensors."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn, cast

from flambeau.base.shapes import normalize_axis
from flambeau.primitives import matmul as p
from flambeau.tensors.arguments import whole
from flambeau.tensors.core import Core, call, call_in_place, operands
from flambeau.tensors.options import tensor_argument
from flambeau.tensors.outputs import takes_out

if TYPE_CHECKING:
    from flambeau.tensors.tensor import Tensor

__all__ = ["Matmul", "chain_matmul", "einsum", "tensordot"]


def _expect_rank(rank: int, **tensors: Core) -> None:
    """Raise RuntimeError unless all tensors have this rank: 2 or 3."""
    for label, tensor in tensors.items():
        if len(tensor.shape) != rank:
            raise RuntimeError(f"{label} must be a {'matrix' if rank == 2 else '3D tensor'}")


def _expect_vector(name: str, label: str, tensor: Core) -> None:
    if len(tensor.shape) != 1:
        raise RuntimeError(f"{name}: Expected 1-D argument {label}, but got {len(tensor.shape)}-D")


class Matmul(Core):
    """Products of vectors and matrices."""

    def matmul(self, other: "Tensor") -> "Tensor":
        """Matrix product, batched and broadcast.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html
        """
        return call(p.matmul, (self, tensor_argument("matmul", 1, other, "other")))

    def __rmatmul__(self, other: "Tensor") -> "Tensor":
        return call(p.matmul, (other, self)) if isinstance(other, Core) else NotImplemented

    def __matmul__(self, other: "Tensor") -> "Tensor":
        return call(p.matmul, (self, other)) if isinstance(other, Core) else NotImplemented

    def mm(self, mat2: "Tensor") -> "Tensor":
        """Product of two matrices. Source: https://docs.pytorch.org/docs/stable/generated/torch.mm.html."""
        _expect_rank(2, self=self, mat2=mat2)
        return call(p.matmul, (self, mat2))

    def bmm(self, mat2: "Tensor") -> "Tensor":
        """Batched product of matrices. Source: https://docs.pytorch.org/docs/stable/generated/torch.bmm.html."""
        _check_batches(self, mat2)
        return call(p.bmm, (self, mat2))

    def mv(self, vec: "Tensor") -> "Tensor":
        """Product of a matrix and a vector. Source: https://docs.pytorch.org/docs/stable/generated/torch.mv.html."""
        if (len(self.shape), len(vec.shape)) != (2, 1):
            ranks = f"got 1, {len(self.shape)}, {len(vec.shape)}"
            raise RuntimeError(f"vector + matrix @ vector expected, {ranks}")
        return call(p.mv, (self, vec))

    def dot(self, tensor: "Tensor") -> "Tensor":
        """Product of two vectors. Source: https://docs.pytorch.org/docs/stable/generated/torch.dot.html."""
        if len(self.shape) != 1 or len(tensor.shape) != 1:
            shapes = f"{len(self.shape)}D and {len(tensor.shape)}D tensors"
            raise RuntimeError(f"1D tensors expected, but got {shapes}")
        one, other = operands("dot", self, tensor)
        if one.dtype is not other.dtype:
            kinds = [item.dtype.tensor_type.removesuffix("Tensor") for item in (one, other)]
            raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {kinds[0]} and {kinds[1]}")
        return call(p.dot, (one, other))

    def vdot(self, other: "Tensor") -> "Tensor":
        """``dot`` with the conjugate of the first. Source: https://docs.pytorch.org/docs/stable/generated/torch.vdot.html."""
        return (cast("Tensor", self).conj() if self.dtype.is_complex else self).dot(other)

    def inner(self, other: "Tensor") -> "Tensor":
        """Products summed over the last dimensions.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.inner.html
        """
        tensor = cast("Tensor", self)
        if not self.shape or not other.shape:
            return tensor * other
        if self.shape[-1] != other.shape[-1]:
            shapes = f"{list(self.shape)} and {list(other.shape)}"
            raise RuntimeError(f"inner() the last dimension must match on both input tensors but got shapes {shapes}")
        return tensordot(tensor, other, ([-1], [-1]))

    def outer(self, vec2: "Tensor") -> "Tensor":
        """All products of two vectors' elements.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.outer.html
        """
        _expect_vector("outer", "self", self)
        _expect_vector("outer", "vec2", vec2)
        return cast("Tensor", self).unsqueeze(1) * vec2

    ger = outer

    def kron(self, other: "Tensor") -> "Tensor":
        """Kronecker product. Source: https://docs.pytorch.org/docs/stable/generated/torch.kron.html."""
        return call(p.kron, (self, other))

    def cross(self, other: "Tensor", dim: int | None = None) -> "Tensor":
        """Cross product along a dimension of size 3 (the first such dimension by default).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.cross.html
        """
        if len(self.shape) != len(other.shape):
            raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
        if dim is None:
            if 3 not in self.shape:
                raise RuntimeError("no dimension of size 3 in input")
            dim = self.shape.index(3)
        axis = normalize_axis(dim, len(self.shape))
        if self.shape[axis] != 3 or other.shape[axis] != 3:
            got = f"Got {self.shape[axis]} and {other.shape[axis]}"
            raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. {got}")
        return call(p.cross, (self, other), (axis,))

    # -- sums with products ------------------------------------------------------------------------------------

    def addmm(self, mat1: "Tensor", mat2: "Tensor", *, beta: Any = 1, alpha: Any = 1) -> "Tensor":
        """Beta * self + alpha * (mat1 @ mat2).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.addmm.html
        """
        _expect_rank(2, mat1=mat1, mat2=mat2)
        return call(p.addmm, (self, mat1, mat2, beta, alpha))

    def addmm_(self, mat1: "Tensor", mat2: "Tensor", *, beta: Any = 1, alpha: Any = 1) -> "Tensor":
        """In-place ``addmm``."""
        _expect_rank(2, mat1=mat1, mat2=mat2)
        return call_in_place(self, p.addmm, (self, mat1, mat2, beta, alpha))

    def addmv(self, mat: "Tensor", vec: "Tensor", *, beta: Any = 1, alpha: Any = 1) -> "Tensor":
        """Beta * self + alpha * (mat @ vec).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.addmv.html
        """
        return call(p.addmv, (self, mat, vec, beta, alpha))

    def addmv_(self, mat: "Tensor", vec: "Tensor", *, beta: Any = 1, alpha: Any = 1) -> "Tensor":
        """In-place ``addmv``."""
        return call_in_place(self, p.addmv, (self, mat, vec, beta, alpha))

    def addr(self, vec1: "Tensor", vec2: "Tensor", *, beta: Any = 1, alpha: Any = 1) -> "Tensor":
        """Beta * self + alpha * outer(vec1, vec2).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.addr.html
        """
        return call(p.addr, (self, vec1, vec2, beta, alpha))

    def addr_(self, vec1: "Tensor", vec2: "Tensor", *, beta: Any = 1, alpha: Any = 1) -> "Tensor":
        """In-place ``addr``."""
        return call_in_place(self, p.addr, (self, vec1, vec2, beta, alpha))

    def baddbmm(self, batch1: "Tensor", batch2: "Tensor", *, beta: Any = 1, alpha: Any = 1) -> "Tensor":
        """Beta * self + alpha * (batch1 @ batch2).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.baddbmm.html
        """
        _check_batches(batch1, batch2)
        return call(p.baddbmm, (self, batch1, batch2, beta, alpha))

    def baddbmm_(self, batch1: "Tensor", batch2: "Tensor", *, beta: Any = 1, alpha: Any = 1) -> "Tensor":
        """In-place ``baddbmm``."""
        _check_batches(batch1, batch2)
        return call_in_place(self, p.baddbmm, (self, batch1, batch2, beta, alpha))

    def addbmm(self, batch1: "Tensor", batch2: "Tensor", *, beta: Any = 1, alpha: Any = 1) -> "Tensor":
        """Beta * self + alpha * (the sum over the batch of batch1 @ batch2).

        Source: https://docs.pytorch.org/docs/stable/generated/torch.addbmm.html
        """
        _check_batches(batch1, batch2)
        return call(p.addbmm, (self, batch1, batch2, beta, alpha))

    def addbmm_(self, batch1: "Tensor", batch2: "Tensor", *, beta: Any = 1, alpha: Any = 1) -> "Tensor":
        """In-place ``addbmm``."""
        _check_batches(batch1, batch2)
        return call_in_place(self, p.addbmm, (self, batch1, batch2, beta, alpha))

    def matrix_power(self, n: int) -> "Tensor":
        """Product of n equal matrices. Source: https://docs.pytorch.org/docs/stable/generated/torch.matrix_power.html."""
        return call(p.matrix_power, (self,), (whole("matrix_power", "n", n),))


def _check_batches(batch1: Core, batch2: Core) -> None:
    """Raise RuntimeError, in PyTorch's words, unless two batches of matrices can be multiplied."""
    _expect_rank(3, batch1=batch1, batch2=batch2)
    expected = [batch1.shape[0], batch1.shape[2]]
    if [*batch2.shape[:2]] != expected:
        got = f"to be: {expected} but got: {[*batch2.shape[:2]]}."
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor {got}")


@takes_out()
def chain_matmul(*matrices: "Tensor") -> "Tensor":
    """Product of matrices, multiplied in the order that takes the fewest operations.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.chain_matmul.html
    """
    letters = [chr(ord("a") + position) for position in range(len(matrices) + 1)]
    pairs = [first + second for first, second in pairwise(letters)]
    equation = f"{','.join(pairs)}->{letters[0]}{letters[-1]}"
    return matrices[0] if len(matrices) == 1 else einsum(equation, *matrices)


@takes_out()
def tensordot(a: "Tensor", b: "Tensor", dims: Any = 2) -> "Tensor":
    """Products summed over pairs of dimensions.

    Args:
        a: first operand.
        b: second operand.
        dims: how many of the last dimensions of ``a`` pair with the first of ``b``; or the pairs as two lists.

    Raises:
        RuntimeError: paired dimensions differ in size.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.tensordot.html
    """
    if isinstance(dims, Core):
        dims = cast("Tensor", dims).tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        dims = (list(range(-dims, 0)), list(range(dims)))
    lists: list[list[int]] = [list(cast("Sequence[int]", a)) if isinstance(a, Sequence) else [a] for a in dims]
    first, second = lists
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    for one, other in zip(first, second, strict=True):
        left, right = a.shape[normalize_axis(one, len(a.shape))], b.shape[normalize_axis(other, len(b.shape))]
        if left != right and 1 not in (left, right):
            sizes = f"first has size {left} in dim {one} and second has size {right} in dim {other}"
            raise RuntimeError(f"contracted dimensions need to match, but {sizes}")
    pairs = [
        tuple([normalize_axis(axis, len(item.shape)) for axis in axes]) for item, axes in ((a, first), (b, second))
    ]
    for one, other in zip(*pairs, strict=True):  # a dimension of size 1 stands for any size
        if a.shape[one] != b.shape[other]:
            a, b = [
                item if item.shape[axis] == 1 else item.sum(axis, keepdim=True) for item, axis in ((a, one), (b, other))
            ]
    return call(p.tensordot, (a, b), tuple(pairs))


# -- Einstein's sums ----------------------------------------------------------------------------------------------


def einsum(*args: Any) -> "Tensor":
    """Products of elements summed as an equation says.

    Args:
        args: the equation, such as ``"ij,jk->ik"``, and the operands; or operands and lists of dimensions by turns,
            the last list for the result.

    Raises:
        RuntimeError: the equation does not fit the operands.

    Example:
        >>> import flambeau as torch
        >>> torch.einsum("i,i->", torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
        tensor(11.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.einsum.html
    """
    if not args:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    if isinstance(args[0], Core):
        equation, operands = _from_lists(args)
    else:
        equation, operands = args[0], list(args[1:])
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = list(cast("list[Any]", operands[0]))
    _check_letters(equation)
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        more = "more" if len(operands) > len(terms) else "fewer"
        _refuse(f"{more} operands were provided than specified in the equation")
    sizes = _checked_sizes(terms, operands)
    if not arrow:
        joined = left.replace("...", "").replace(",", "")
        right = ("..." if "..." in left else "") + "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    for letter in right.replace("...", ""):
        if letter not in sizes:
            _refuse(f"output subscript {letter} does not appear in the equation for any input operand")
        if right.count(letter) > 1:
            _refuse(f"output subscript {letter} appears more than once in the output")
    if "..." in left and "..." not in right:
        operands, terms = _without_ellipsis(operands, terms)
    return call(p.einsum, operands, (f"{','.join(terms)}->{right}",))


def _check_letters(equation: str) -> None:
    """Raise RuntimeError, in PyTorch's words, unless an equation is made of letters and signs."""
    ends = equation.find("->")
    for index, sign in enumerate(equation):
        if not (sign.isascii() and sign.isalpha()) and sign not in " ,." and index not in (ends, ends + 1):
            _refuse(f"invalid subscript given at index {index} in the equation string, subscripts must be in [a-zA-Z]")


def _refuse(problem: str) -> NoReturn:
    raise RuntimeError(f"einsum(): {problem}")


def _from_lists(args: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The equation of operands and lists of dimension numbers by turns."""

    def letters(dims: Any) -> str:
        return "".join(["..." if item is Ellipsis else chr((65 if item < 26 else 71) + item) for item in dims])

    terms = [letters(dims) for dims in args[1::2]]
    operands = list(args[: 2 * len(terms) : 2])
    equation = ",".join(terms)
    return (f"{equation}->{letters(args[-1])}" if len(args) % 2 else equation), operands


def _checked_sizes(terms: list[str], operands: list[Any]) -> dict[str, int]:
    """Size of every letter; raises RuntimeError, in PyTorch's words, where terms and operands do not fit."""
    sizes: dict[str, int] = {}
    for position, (term, item) in enumerate(zip(terms, operands, strict=True)):
        head, dots, tail = term.partition("...")
        rank = len(item.shape)
        count = len(head) + len(tail)
        if count > rank or (not dots and count != rank):
            kind = "does not match" if not dots else "is greater than"
            _refuse(
                f"the number of subscripts in the equation ({count}) {kind} the number of dimensions ({rank}) for "
                f"operand {position}" + ("" if dots else " and no ellipsis was given")
            )
        axes = zip(head + tail, [*range(len(head)), *range(rank - len(tail), rank)], strict=True)
        for letter, axis in axes:
            size = item.shape[axis]
            known = sizes.setdefault(letter, size)
            if size != known and 1 not in (size, known):
                _refuse(
                    f"subscript {letter} has size {size} for operand {position} which does not broadcast with "
                    f"previously seen size {known}"
                )
            sizes[letter] = max(size, known)
    return sizes


def _without_ellipsis(operands: list[Any], terms: list[str]) -> tuple[list[Any], list[str]]:
    """Name the dimensions of an ellipsis that is summed over."""
    used = set("".join(terms))
    free = [chr(code) for code in [*range(65, 91), *range(97, 123)] if chr(code) not in used]
    named: list[str] = []
    for term, item in zip(terms, operands, strict=True):
        count = len(item.shape) - len(term.replace("...", ""))
        named.append(term.replace("...", "".join(free[:count][::-1])))
    return operands, named
