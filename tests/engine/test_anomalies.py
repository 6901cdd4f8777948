"""Anomaly mode names the line of the forward pass; names of ``autograd`` that do nothing, or are not supported."""

import warnings
from typing import Any

import pytest

import flambeau as torch
from flambeau.autograd import graph
from flambeau.differentiation.anomaly import WATCHES


def failed(error: type[Exception], text: str, loss: Any) -> tuple[str, str]:
    """The warning of backward under anomaly mode, and the note on its error."""
    with pytest.warns(UserWarning, match="^Error detected in") as caught, pytest.raises(error, match=text) as raised:
        loss.backward()
    return str(caught[0].message), "".join(raised.value.__notes__)


def test_a_nan_names_the_line_it_comes_from() -> None:
    x = torch.tensor([-1.0, 4.0], requires_grad=True)
    with pytest.warns(UserWarning, match=r"^Anomaly Detection has been enabled\."):
        mode = torch.autograd.detect_anomaly()
    with mode:
        loss = (x.sqrt() * 2).sum()  # the line
        warned, note = failed(RuntimeError, r"^Function 'SqrtBackward0' returned nan values in its 0th output\.", loss)
    assert warned.startswith("Error detected in SqrtBackward0. Traceback of forward call that caused the error:\n")
    assert warned.rstrip().endswith("loss = (x.sqrt() * 2).sum()  # the line")
    assert note.startswith("SqrtBackward0 was recorded here in the forward pass:")
    assert "# the line" in note
    assert WATCHES == []


def test_an_error_names_the_line_it_comes_from() -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            raise ValueError("broken")

    x = torch.ones(2, requires_grad=True)
    early = Broken.apply(x).sum()
    with torch.autograd.set_detect_anomaly(True):
        loss = Broken.apply(x).sum()  # the line
        warned, note = failed(ValueError, "^broken", loss)
        assert "# the line" in warned
        assert "# the line" in note
        assert "No forward pass information available" in failed_without_note(early)


def failed_without_note(loss: Any) -> str:
    with pytest.warns(UserWarning, match="^Error detected in") as caught, pytest.raises(ValueError, match=r"^broken"):
        loss.backward()
    return str(caught[0].message)


def test_nothing_is_kept_outside() -> None:
    y = torch.ones(2, requires_grad=True) * 2
    assert y.grad_fn.metadata is None
    with torch.autograd.set_detect_anomaly(True, check_nan=False), warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.tensor([-1.0], requires_grad=True).sqrt().sum().backward()


def test_accepted_switches() -> None:
    x = torch.ones(2, requires_grad=True)
    with (
        torch.autograd.set_multithreading_enabled(False),
        torch.autograd.enforce_grad_layout_policy(False),
        torch.autograd.profiler.record_function("part"),
        graph.disable_saved_tensors_hooks("none here"),
    ):
        (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]

    @torch.autograd.profiler.record_function("part")
    def double(value: float) -> float:
        return value * 2

    assert (double(2.0), double.__name__) == (4.0, "double")


@pytest.mark.parametrize("name", sorted(graph.UNSUPPORTED))
def test_names_that_are_not_supported(name: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"^torch\.autograd\.graph\.{name} is not supported: "):
        getattr(graph, name)(*[None] * (2 if name == "saved_tensors_hooks" else 0))


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        graph.nothing  # pyright: ignore[reportAttributeAccessIssue]


def test_gradcheck_by_other_ways() -> None:
    x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    z = torch.tensor([0.5 + 1j, 1.5], requires_grad=True, dtype=torch.complex128)
    for function, point in ((lambda a: a.exp() * a, x), (lambda a: a * a.conj(), z)):
        assert torch.autograd.gradcheck(function, point, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(torch.exp, x, check_fwd_over_rev=True)
