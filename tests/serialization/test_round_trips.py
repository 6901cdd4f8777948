"""What `save` writes, `load` gives back: values, types, sharing, and tensors that are ready to be worked with."""

import io
import os
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.dtypes.kinds import DTYPES
from flambeau.dtypes.layouts import LAYOUTS


def again(obj: Any, **options: Any) -> Any:
    """An object that went through a file."""
    file = io.BytesIO()
    torch.save(obj, file)
    file.seek(0)
    return torch.load(file, **options)


def same(found: Any, expected: Any) -> bool:
    """Whether two objects are equal in type, structure and every tensor."""
    if isinstance(expected, torch.Tensor):
        return (
            (type(found), found.dtype, found.shape, found.device, found.requires_grad)
            == (type(expected), expected.dtype, expected.shape, expected.device, expected.requires_grad)
            and found.stride() == expected.stride()
            and found.host().tobytes() == expected.host().tobytes()
        )
    if type(found) is not type(expected):
        return False
    if isinstance(expected, dict):
        pairs = zip(found.items(), expected.items(), strict=True)
        return len(found) == len(expected) and all(a == b and same(x, y) for (a, x), (b, y) in pairs)
    if isinstance(expected, (list, tuple)):
        return len(found) == len(expected) and all(same(x, y) for x, y in zip(found, expected, strict=True))
    return found == expected


OBJECTS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "numbers": lambda: [1, -(1 << 80), 2.5, float("inf"), True, 1 + 2j],
    "texts": lambda: {"é": "\u2028", "empty": "", "bytes": b"\x00\xff", "array": bytearray(b"ab")},
    "nested": lambda: {"a": [1, (2, [3, {"b": (None, {4})}])], (1, "k"): [[], (), {}, set()]},
    "ordered": lambda: OrderedDict(z=1, a=OrderedDict(y=torch.ones(2))),
    "counter": lambda: Counter("banana"),
    "size": lambda: [torch.Size([2, 3]), torch.Size([])],
    "device": lambda: [torch.device("cpu"), torch.device("cuda", 1), torch.device("meta")],
    "dtype": lambda: [torch.float32, torch.bfloat16, torch.bool],
    "layout": lambda: LAYOUTS["strided"],
    "tensor": lambda: torch.arange(12.0).reshape(3, 4),
    "number": lambda: [torch.tensor(3.5), torch.tensor(3), torch.tensor(True)],
    "empty": lambda: [torch.zeros(0), torch.zeros(2, 0, 3)],
    "not yet computed": lambda: torch.exp(torch.ones(3) * 2),
    "gradient wanted": lambda: torch.ones(2, requires_grad=True),
    "gradient not wanted": lambda: torch.ones(2),
    "parameter": lambda: torch.nn.Parameter(torch.ones(2)),
    "fixed parameter": lambda: torch.nn.Parameter(torch.ones(2), requires_grad=False),
    "parameters": lambda: list(torch.nn.Linear(2, 3).parameters()),
    **{
        str(kind): lambda kind=kind: torch.tensor([0, 1, 1, 0, 1]).to(kind)
        for kind in DTYPES.values()
        if "e8m0" not in kind.name
    },
}


@pytest.mark.parametrize("name", OBJECTS)
def test_object(name: str) -> None:
    expected = OBJECTS[name]()
    assert same(again(expected), expected)


def test_bfloat16_keeps_its_bits() -> None:
    expected = torch.tensor([1.0, -0.0, float("inf"), 3.140625, 1e-38]).to(torch.bfloat16)
    found = again(expected)
    assert found.dtype is torch.bfloat16
    assert found.host().view(np.uint16).tolist() == expected.host().view(np.uint16).tolist()


@pytest.mark.parametrize(
    ("view", "values"),
    {
        "transposed": (lambda x: x.t(), [[0, 3], [1, 4], [2, 5]]),
        "row": (lambda x: x[1], [3, 4, 5]),
        "columns": (lambda x: x[:, ::2], [[0, 2], [3, 5]]),
        "element": (lambda x: x[1, 2], 5),
        "diagonal": (lambda x: x.diagonal(), [0, 4]),
        "nothing": (lambda x: x[2:], []),
    }.values(),
)
def test_view_alone_takes_only_what_it_shows(view: Callable[[Any], Any], values: Any) -> None:
    found = again(view(torch.arange(6.0).reshape(2, 3)))
    assert found.tolist() == values
    assert found.is_contiguous()


def test_small_view_of_a_large_tensor_makes_a_small_file() -> None:
    file = io.BytesIO()
    torch.save(torch.zeros(1 << 20)[:4], file)
    assert len(file.getvalue()) < 4096


def test_expanded_tensor_stays_small() -> None:
    file = io.BytesIO()
    torch.save(torch.zeros(1).expand(1 << 40), file)
    assert len(file.getvalue()) < 4096
    file.seek(0)
    found = torch.load(file)
    assert (found.shape, found.stride()) == ((1 << 40,), (0,))


# Sharing --------------------------------------------------------------------------------------------------------------


def test_views_stay_views() -> None:
    x = torch.arange(12.0).reshape(3, 4)
    found = again({"whole": x, "row": x[1], "turned": x.t(), "columns": x[:, 1::2], "flat": x.view(-1)})
    assert [(value.stride(), value.storage_offset()) for value in found.values()] == [
        ((4, 1), 0),
        ((1,), 4),
        ((1, 4), 0),
        ((4, 2), 1),
        ((1,), 0),
    ]
    found["row"].fill_(-1)
    assert found["whole"].tolist() == [[0, 1, 2, 3], [-1, -1, -1, -1], [8, 9, 10, 11]]
    found["columns"][2] = 7
    found["flat"][0] = 5
    assert found["turned"].tolist() == [[5, -1, 8], [1, -1, 7], [2, -1, 10], [3, -1, 7]]
    assert x.tolist()[1] == [4, 5, 6, 7]


def test_views_without_their_base_share() -> None:
    x = torch.arange(6.0)
    low, high = again((x[:4], x[2:]))
    high[0] = 9
    assert low.tolist() == [0, 1, 9, 3]


def test_the_same_object_is_the_same_object() -> None:
    tensor, items = torch.ones(1), [1]
    found = again([tensor, tensor, items, items])
    assert found[0] is found[1]
    assert found[2] is found[3]


def test_tied_parameters_stay_tied() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    model[1].weight = model[0].weight
    state = again(model.state_dict())
    state["0.weight"].fill_(3)
    assert state["1.weight"].tolist() == [[3, 3], [3, 3]]
    parameter = model[0].weight
    found, other, data = again([parameter, parameter, parameter.data])
    assert found is other
    data.fill_(4)
    assert found.tolist() == [[4, 4], [4, 4]]


def test_loaded_tensors_share_no_gradient() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    found, plain = again([x, x.detach()])
    (found * 3).sum().backward()
    assert found.grad.tolist() == [[3, 3, 3], [3, 3, 3]]
    assert plain.grad is None
    assert not plain.requires_grad


def test_copies_do_not_share() -> None:
    x = torch.ones(2)
    first, second = again([x, x.clone()])
    first.fill_(2)
    assert second.tolist() == [1, 1]


# Attributes -----------------------------------------------------------------------------------------------------------


def test_attributes_are_kept() -> None:
    parameter, buffer = torch.nn.Parameter(torch.ones(2)), torch.nn.Buffer(torch.ones(3), persistent=False)
    parameter.note = {"decay": False}
    found, other = again([parameter, buffer])
    assert found.note == {"decay": False}
    assert isinstance(other, torch.nn.Buffer)
    assert other.persistent is False


def test_attributes_in_a_file_replace_no_part_of_a_tensor() -> None:
    x = torch.ones(2)
    vars(x).update({"sum": 1, "mark": 2})
    found = again(x)
    assert found.mark == 2
    assert found.sum().item() == 2


# States ---------------------------------------------------------------------------------------------------------------


def trained() -> tuple[Any, Any, Any]:
    """A small model with buffers, its optimizer and scheduler, after two steps."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in range(2):
        step(model, optimizer)
        scheduler.step()
    return model, optimizer, scheduler


def step(model: Any, optimizer: Any) -> float:
    loss = model(torch.arange(12.0).reshape(4, 3)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def test_states_of_a_training() -> None:
    states = [part.state_dict() for part in trained()]
    found = again(states)
    assert same(found, states)
    assert found[0]._metadata == states[0]._metadata
    assert list(found[0]) == list(states[0])


def test_training_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    model, optimizer, scheduler = trained()
    path = tmp_path / "checkpoint.pt"
    torch.save({"parts": [part.state_dict() for part in (model, optimizer, scheduler)]}, path)
    expected = [step(model, optimizer) for _ in range(3)]
    others = trained()
    for _ in range(2):
        step(others[0], others[1])
    for part, state in zip(others, torch.load(path)["parts"], strict=True):
        part.load_state_dict(state)
    assert [step(others[0], others[1]) for _ in range(3)] == expected


def test_loader_state() -> None:
    def loader() -> Any:
        return torch.utils.data.DataLoader(torch.arange(20), batch_size=3, shuffle=True)

    torch.manual_seed(1)
    first = loader()
    batches = iter(first)
    next(batches)
    next(batches)
    state = again({"loader": first.state_dict(), "random": torch.get_rng_state()})
    rest, after = [batch.tolist() for batch in batches], [batch.tolist() for batch in first]
    second = loader()
    second.load_state_dict(state["loader"])
    torch.set_rng_state(state["random"])
    assert [batch.tolist() for batch in second] == rest
    assert [batch.tolist() for batch in second] == after


def test_numpy_numbers_become_python_numbers() -> None:
    obj = {
        "loss": np.float64(0.5),
        "half": np.float16(1.5),
        "epoch": np.int64(3),
        "best": np.bool_(True),
        np.int32(7): 1,
    }
    found = again([obj, np.complex64(1j), np.str_("text")])
    assert found == [{"loss": 0.5, "half": 1.5, "epoch": 3, "best": True, 7: 1}, 1j, "text"]
    assert [type(value) for value in found[0].values()] == [float, float, int, bool, int]
    assert type(list(found[0])[-1]) is int
    assert [type(value) for value in found[1:]] == [complex, str]


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_paths(kind: Callable[[Any], Any], tmp_path: Path) -> None:
    path = kind(tmp_path / "weights.pt") if kind is not os.fsencode else str(tmp_path / "no.suffix.at.all")
    torch.save({"x": torch.ones(3)}, path)
    assert torch.load(path)["x"].tolist() == [1, 1, 1]
    assert torch.load(path, mmap=False)["x"].tolist() == [1, 1, 1]
    assert torch.load(path, mmap=True, weights_only=False)["x"].tolist() == [1, 1, 1]


def test_open_files(tmp_path: Path) -> None:
    path = tmp_path / "two.pt"
    with path.open("wb") as file:
        torch.save(torch.ones(3), file)
        assert not file.closed
    with path.open("rb") as file:
        found = torch.load(file)
        assert not file.closed
    assert found.tolist() == [1, 1, 1]


def test_a_file_inside_a_file() -> None:
    file = io.BytesIO()
    file.write(b"before")
    torch.save(torch.arange(3), file)
    file.seek(6)
    assert torch.load(file).tolist() == [0, 1, 2]


def test_equal_objects_make_equal_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        torch.save({"x": torch.arange(5.0), "n": 1}, tmp_path / name / "same.pt")
    assert (tmp_path / "one" / "same.pt").read_bytes() == (tmp_path / "two" / "same.pt").read_bytes()


# Work with what was loaded --------------------------------------------------------------------------------------------


def test_a_mapped_file_may_be_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"x": torch.arange(1000.0), "y": torch.arange(6.0).view(2, 3)}, path)
    found = torch.load(path)
    torch.save({"x": torch.zeros(5)}, path)
    assert found["x"].tolist() == list(range(1000))
    found["y"].mul_(2)
    torch.save(found, path)
    assert torch.load(path)["y"].tolist() == [[0, 2, 4], [6, 8, 10]]
    assert found["x"].sum().item() == 499500


@pytest.mark.parametrize("options", [{}, {"mmap": False}])
def test_loaded_parameters_can_be_trained(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(torch.nn.Parameter(torch.tensor([1.0, 2.0])), path)
    parameter = torch.load(path, **options)
    before = path.read_bytes()
    optimizer = torch.optim.SGD([parameter], lr=0.5, momentum=0.9)
    for _ in range(2):
        parameter.square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    np.testing.assert_allclose(parameter.tolist(), [-0.9, -1.8], rtol=1e-6)
    assert path.read_bytes() == before


def test_loaded_tensors_can_be_written_to(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save([torch.zeros(3), torch.zeros(2, 2)], path)
    first, second = torch.load(path)
    first[1] = 5
    second.add_(1).t_()
    assert first.tolist() == [0, 5, 0]
    assert second.tolist() == [[1, 1], [1, 1]]
    assert torch.load(path)[0].tolist() == [0, 0, 0]
