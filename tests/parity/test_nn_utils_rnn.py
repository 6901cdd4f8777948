"""torch.nn.utils.rnn against PyTorch: packing and padding, on the host and on the tape."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from tests.parity.failures import same_error
from tests.parity.oracle import check
from tests.parity.outcomes import same

torch = pytest.importorskip("torch")

PADDED = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
LENGTHS = [2, 4, 1]
ORDER = [1, 0, 2]


def packed(t: Any, x: Any, **options: Any) -> Any:
    return t.nn.utils.rnn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False, **options)


# Each is run with a gradient (recorded) and without one (by NumPy).
CASES: dict[str, Any] = {
    "pack": lambda t, r, x: tuple(packed(t, x)),
    "pack, batch first": lambda t, r, x: tuple(packed(t, x.transpose(0, 1), batch_first=True)),
    "pack, sorted": lambda t, r, x: r.pack_padded_sequence(x[:, :, 0], [4, 3, 3])[:2],
    "pack, lengths in a tensor": lambda t, r, x: r.pack_padded_sequence(x, t.tensor([4.0, 3.0, 1.0]))[:2],
    "pack, lengths in whole numbers": lambda t, r, x: r.pack_padded_sequence(x, t.tensor([4, 3, 1]).int())[:2],
    "pack, lengths in a tuple": lambda t, r, x: r.pack_padded_sequence(x, (2, 1, 1))[:2],
    "unpack": lambda t, r, x: r.pad_packed_sequence(packed(t, x)),
    "unpack, batch first": lambda t, r, x: r.pad_packed_sequence(packed(t, x), True, -1.5, 6),
    "unpack, longer": lambda t, r, x: r.pad_packed_sequence(packed(t, x * 2), padding_value=7, total_length=5),
    "unpack to a list": lambda t, r, x: r.unpack_sequence(packed(t, x)),
    "unpack another's": lambda t, r, x: r.pad_packed_sequence(
        r.PackedSequence(x[:3, 0], t.tensor([2, 1]), t.tensor([1, 0]))
    ),
    "pack a list": lambda t, r, x: tuple(r.pack_sequence([x[:2], x, x[1:2]], enforce_sorted=False)),
    "pack a sorted list": lambda t, r, x: r.pack_sequence([x, x[:2]])[:2],
    "pad": lambda t, r, x: r.pad_sequence([x[:2], x, x[:0]]),
    "pad, batch first": lambda t, r, x: r.pad_sequence((x[1:, 0], x[:1, 1] * 2), batch_first=True, padding_value=3),
    "pad on the left": lambda t, r, x: r.pad_sequence([x[:1], x[1:]], True, 0.5, "left"),
    "pad a tensor's rows": lambda t, r, x: r.pad_sequence(x),
    "pad other types": lambda t, r, x: r.pad_sequence([x[:1].double(), x]),
    "pad to whole numbers": lambda t, r, x: r.pad_sequence(
        [(x[:2] * 5).long(), x[:1] * 5, x[:2] > 0], padding_value=2.9
    ),
    "pad with broadcasting": lambda t, r, x: r.pad_sequence([x, x[:2, :1], x[0, 0, :1]]),
    "unpad": lambda t, r, x: r.unpad_sequence(x * 1, t.tensor(LENGTHS)),
    "unpad, batch first": lambda t, r, x: r.unpad_sequence(x, t.tensor([2, 0, -1, 9]), batch_first=True),
    "unpad by fractions": lambda t, r, x: r.unpad_sequence(x, t.tensor([2.5, 0.0, 1.0, 2.0]), True),
    "invert": lambda t, r, x: r.invert_permutation(t.tensor([2, 0, 1])),
    "invert a computed one": lambda t, r, x: r.invert_permutation(x[:, 0, 0].argsort()),
}


@pytest.mark.parametrize("gradients", [True, False], ids=["recorded", "known"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_values(case: Any, gradients: bool):
    check(lambda t, x: case(t, t.nn.utils.rnn, x), PADDED, gradients=gradients)


@pytest.mark.parametrize("kind", [np.int64, np.bool_, np.float16, np.complex64, np.uint8])
def test_other_types(kind: Any):
    def both_ways(t: Any, x: Any) -> Any:
        return t.nn.utils.rnn.pad_packed_sequence(packed(t, x), padding_value=1)

    check(both_ways, np.abs(PADDED * 3).astype(kind), gradients=False)


def test_shown():
    same(lambda t: t.nn.utils.rnn.pack_sequence([t.tensor([1, 2]), t.tensor([3])]))
    same(lambda t: packed(t, t.ones(4, 3)))
    same(lambda t: t.nn.utils.rnn.invert_permutation(None))
    same(lambda t: t.nn.utils.rnn.PackedSequence([t.ones(2), t.tensor([2])], sorted_indices=t.tensor([1, 0])))


METHODS: dict[str, Any] = {
    "double": lambda t, p: p.double(),
    "half": lambda t, p: p.half().float(),
    "whole": lambda t, p: [p.long(), p.int(), p.short(), p.char(), p.byte()],
    "to": lambda t, p: [p.to(t.float64), p.to("cpu", t.int32), p.to(dtype=t.float16, non_blocking=True)],
    "to the same": lambda t, p: [p.to(t.float32) is p, p.to("cpu") is p, p.cpu() is p, p.float() is p],
    "cpu": lambda t, p: p.cpu(t.float64),
    "meta": lambda t, p: [item.device for item in p.to("meta")],
    "from meta": lambda t, p: p.to("meta").cpu(),
    "cuda": lambda t, p: [p.is_cuda, p.is_pinned()],
    "fields": lambda t, p: [p._fields, p.data.shape, len(p), p._replace(data=p.data[:1]).data.shape],
    "a tuple": lambda t, p: [isinstance(p, tuple), p[1] is p.batch_sizes, type(p)((p[0], p[1]), None, p[2])],
    "pickled": lambda t, p: pickle.loads(pickle.dumps(p)),
    "copied": lambda t, p: copy.deepcopy(p),
}


@pytest.mark.parametrize("case", METHODS.values(), ids=METHODS.keys())
@pytest.mark.parametrize("ordered", [True, False])
def test_packed_sequence(case: Any, ordered: bool):
    def shown(t: Any) -> Any:
        lengths = [3, 2, 2] if ordered else [2, 3, 2]
        x = t.arange(9.0).view(3, 3)
        return case(t, t.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=ordered))

    same(shown)


ERRORS: dict[str, Any] = {
    "too few lengths": lambda t, r, x: r.pack_padded_sequence(x, [4, 3]),
    "too many lengths": lambda t, r, x: r.pack_padded_sequence(x, [4, 3, 2, 1]),
    "a length of zero": lambda t, r, x: r.pack_padded_sequence(x, [4, 3, 0]),
    "a length below zero": lambda t, r, x: r.pack_padded_sequence(x, [4, 3, -1], enforce_sorted=False),
    "not sorted": lambda t, r, x: r.pack_padded_sequence(x, [2, 3, 4]),
    "lengths in two dimensions": lambda t, r, x: r.pack_padded_sequence(x, t.tensor([[4, 3, 2]])),
    "lengths without dimensions": lambda t, r, x: r.pack_padded_sequence(x, 4),
    "lengths elsewhere": lambda t, r, x: r.pack_padded_sequence(x, t.tensor([4, 3, 2], device="meta")),
    "lengths as text": lambda t, r, x: r.pack_padded_sequence(x, "ab"),
    "an empty input": lambda t, r, x: r.pack_padded_sequence(x[:, :0], []),
    "an empty vector": lambda t, r, x: r.pack_padded_sequence(x[:, :, :0], [4, 3, 2]),
    "one dimension": lambda t, r, x: r.pack_padded_sequence(x[:, 0, 0], [4, 3, 2]),
    "no dimension": lambda t, r, x: r.pack_padded_sequence(x[0, 0, 0], [4]),
    "no tensor": lambda t, r, x: r.pack_padded_sequence([1], [1]),
    "sequences not sorted": lambda t, r, x: r.pack_sequence([x[:1], x]),
    "an empty sequence": lambda t, r, x: r.pack_sequence([x, x[:0]]),
    "nothing to pack": lambda t, r, x: r.pack_sequence([]),
    "a number to pack": lambda t, r, x: r.pack_sequence([x[0, 0, 0]]),
    "a shorter total": lambda t, r, x: r.pad_packed_sequence(packed(t, x), total_length=3),
    "a tensor unpacked": lambda t, r, x: r.pad_packed_sequence(x),
    "a value too large": lambda t, r, x: r.pad_packed_sequence(packed(t, x.long()), padding_value=1e30),
    "fractional batch sizes": lambda t, r, x: r.pad_packed_sequence(r.PackedSequence(x, t.tensor([2.0, 2.0]))),
    "no batch sizes": lambda t, r, x: r.pad_packed_sequence(r.PackedSequence(x, t.tensor([]).long())),
    "batch sizes elsewhere": lambda t, r, x: r.PackedSequence(x, t.tensor([4], device="meta")),
    "batch sizes left out": lambda t, r, x: r.PackedSequence(x),
    "no inverse": lambda t, r, x: r.invert_permutation(t.tensor([2, 0, 1]).int()),
    "no permutation": lambda t, r, x: r.invert_permutation(t.tensor([1.0, 0.0])),
    "no side": lambda t, r, x: r.pad_sequence([x], padding_side="x"),
    "nothing to pad": lambda t, r, x: r.pad_sequence([]),
    "no sequences": lambda t, r, x: r.pad_sequence(3),
    "numbers": lambda t, r, x: r.pad_sequence([x, 2]),
    "no padding": lambda t, r, x: r.pad_sequence([x], padding_value="x"),
    "other sizes": lambda t, r, x: r.pad_sequence([x, x[:2, :2]]),
    "too few lengths to unpad": lambda t, r, x: r.unpad_sequence(x, t.tensor([2]), True),
    "too many lengths to unpad": lambda t, r, x: r.unpad_sequence(x, t.tensor([1, 1, 1, 1, 1]), True),
}


@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS.keys())
def test_errors(case: Any):
    same_error(lambda t, x: case(t, t.nn.utils.rnn, x), PADDED)
