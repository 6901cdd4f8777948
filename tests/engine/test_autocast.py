"""``autocast`` and ``GradScaler`` in the engine: programs, threads, other devices' lists."""

import re
import threading
from typing import Any

import pytest

import flambeau as torch
from flambeau.amp import lists, state
from flambeau.tensors.core import CASTING
from flambeau.testing import compilations


def test_nothing_is_looked_at_outside() -> None:
    assert CASTING == []
    with torch.autocast("cpu"):
        assert len(CASTING) == 1
    assert CASTING == []


def test_other_threads_are_not_concerned() -> None:
    found: list[Any] = []
    x = torch.ones(2, 2)
    with torch.autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append((x @ x).dtype))
        thread.start()
        thread.join()
        found.append((x @ x).dtype)
    assert found == [torch.float32, torch.bfloat16]


def test_a_scaled_step_is_two_programs_that_stay() -> None:
    layer = torch.nn.Linear(4, 3)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", growth_interval=2)
    x = torch.ones(2, 4)
    for step in range(5):
        with compilations() as found:
            optimizer.zero_grad()
            with torch.autocast("cpu"):
                loss = layer(x).square().sum()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        assert len(found) <= (2 if step < 2 else 0), [str(entry) for entry in found]
    assert scaler.get_scale() == 65536.0 * 4


def test_a_region_may_be_entered_again_inside_itself() -> None:
    x = torch.ones(2, 2)
    with torch.autocast("cpu") as region:
        with region:
            assert (x @ x).dtype is torch.bfloat16
        assert (x @ x).dtype is torch.bfloat16
    assert (x @ x).dtype is torch.float32


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("get_autocast_cpu_dtype", "get_autocast_dtype('cpu')", torch.bfloat16),
        ("get_autocast_gpu_dtype", "get_autocast_dtype('cuda')", torch.float16),
        ("is_autocast_cpu_enabled", "is_autocast_enabled('cpu')", False),
    ],
)
def test_old_names(old: str, new: str, value: Any) -> None:
    text = re.escape(f"torch.{old}() is deprecated. Please use torch.{new} instead.")
    with pytest.warns(DeprecationWarning, match=text):
        assert getattr(torch, old)() is value


@pytest.mark.parametrize("place", sorted(lists.RULES))
def test_every_operation_has_one_rule(place: str) -> None:
    names = [name for text in lists._ACCELERATOR.values() for name in text.split()]
    assert len(names) == len(set(names))
    assert set(lists.RULES[place].values()) == {"lower", "full", "widest"}


def test_lists_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU as if it were a GPU: what the list of GPUs says about types."""
    monkeypatch.setitem(lists.RULES, "cpu", lists.RULES["cuda"])
    monkeypatch.setitem(lists.BANNED, ("cpu", "binary_cross_entropy"), lists.BANNED["cuda", "binary_cross_entropy"])
    x = torch.full((2, 2), 0.5)
    half = x.half()
    with torch.autocast("cpu", dtype=torch.float16):
        for function, kind in (
            (lambda: x.mv(x[0]), torch.float16),
            (half.exp, torch.float32),
            (half.sum, torch.float32),
            (lambda: half.softmax(1), torch.float32),
            (lambda: half.pow(2), torch.float32),
            (lambda: torch.nn.functional.layer_norm(half, (2,)), torch.float32),
            (half.relu, torch.float16),
            (lambda: half[0].dot(x[0]), torch.float32),
            (lambda: half[0].dot(half[0]), torch.float16),
            (lambda: torch.nn.functional.l1_loss(half, half), torch.float32),
        ):
            assert function().dtype is kind
        with pytest.raises(RuntimeError, match="BCELoss are unsafe to autocast"):
            torch.nn.functional.binary_cross_entropy(x, x)


def test_float16_gradients_are_not_unscaled() -> None:
    weight = torch.ones(2, dtype=torch.float16, requires_grad=True)
    weight.grad = torch.ones(2, dtype=torch.float16)
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(torch.ones(1))
    with pytest.raises(ValueError, match=r"^Attempting to unscale FP16 gradients\.$"):
        scaler.unscale_(torch.optim.SGD([weight], lr=0.1))


@pytest.mark.parametrize(
    ("equation", "product"),
    [("ij,jk->ik", True), ("i,i->", True), ("ii->i", False), ("ij,ij->ij", False), ("ij->", False)],
)
def test_equations(equation: str, product: bool) -> None:
    assert lists.contracts(equation) is product


def test_kinds_of_devices() -> None:
    assert state.is_present("cpu")
    assert not state.is_present("mps")
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
        torch.amp.is_autocast_available("nowhere")
    with pytest.raises(ValueError, match=r"^Expected `device_type` of type `str`, got: `<class 'flambeau.*device'>`$"):
        torch.autocast(torch.device("cpu"))  # pyright: ignore[reportArgumentType]  # as users may
