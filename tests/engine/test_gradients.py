"""Gradients: leaves and inner tensors, the tape's life, hooks, modes, and guards against in-place changes."""

import pytest

import flambeau as torch
from flambeau.graph.record import PENDING


def leaf(*values: float) -> torch.Tensor:
    return torch.tensor(list(values), requires_grad=True)


def test_gradients_add_up_in_the_same_tensor() -> None:
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad is first
    assert x.grad.tolist() == [5.0, 7.0]


def test_a_value_used_twice_gathers_both_gradients() -> None:
    x = leaf(2.0)
    y = x * 3
    (y * y + y).sum().backward()
    assert x.grad.tolist() == [39.0]


def test_the_tape_is_freed_after_backward() -> None:
    y = (leaf(1.0) * 2).exp().sum()
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_retain_graph() -> None:
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]


def test_backward_after_the_value_was_read() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).tanh().sum()
    y.item()
    y.backward()
    assert x.grad.tolist() == pytest.approx([2 * (1 - 0.7615941559557649**2), 4 * (1 - 0.999329299739067**2)], rel=1e-3)


def test_second_and_third_derivatives() -> None:
    x = leaf(2.0)
    y = (x**4).sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = torch.autograd.grad(second.sum(), x)
    assert (first.item(), second.item(), third.item()) == (32.0, 48.0, 48.0)


def test_backward_with_create_graph_gives_gradients_with_a_tape() -> None:
    x = leaf(3.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    (second,) = torch.autograd.grad(x.grad.sum(), x)
    assert second.item() == 18.0


def test_grad_touches_no_leaf() -> None:
    x, w = leaf(2.0), leaf(5.0)
    (gradient,) = torch.autograd.grad((x * w).sum(), x)
    assert gradient.item() == 5.0
    assert x.grad is None
    assert w.grad is None


def test_grad_of_an_inner_tensor() -> None:
    x = leaf(2.0)
    y = x * 3
    (gradient,) = torch.autograd.grad((y * y).sum(), y)
    assert gradient.item() == 12.0


def test_unused_inputs() -> None:
    x, w = leaf(2.0), leaf(5.0)
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        torch.autograd.grad((x * 2).sum(), w)
    assert torch.autograd.grad((x * 2).sum(), w, allow_unused=True) == (None,)
    assert torch.autograd.grad((x * 2).sum(), w, materialize_grads=True)[0].item() == 0


def test_backward_needs_a_scalar_or_a_gradient() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        (x * 2).backward()
    (x * 2).backward(torch.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 20.0]


def test_backward_without_a_tape() -> None:
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad and does not have a grad_fn"):
        torch.ones(1).backward()


def test_inputs_of_backward() -> None:
    x, w = leaf(2.0), leaf(5.0)
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None
    assert w.grad.item() == 2.0


def test_modes() -> None:
    x = leaf(1.0)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
    assert (x * 2).requires_grad
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    with torch.inference_mode():
        y = x * 2
        assert torch.is_inference_mode_enabled()
    assert y.is_inference()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        y.add_(1)


def test_modes_decorate() -> None:
    x = leaf(1.0)

    @torch.no_grad()
    def first() -> bool:
        return (x * 2).requires_grad

    @torch.no_grad
    def second() -> bool:
        return (x * 2).requires_grad

    @torch.inference_mode()
    def third() -> bool:
        return (x * 2).requires_grad

    assert (first(), second(), third()) == (False, False, False)


def test_requires_grad_flags() -> None:
    x = leaf(1.0)
    y = x * 2
    assert (x.is_leaf, y.is_leaf, x.grad_fn) == (True, False, None)
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf variables"):
        y.requires_grad_(False)
    with pytest.raises(RuntimeError, match="only Tensors of floating point dtype can require gradients"):
        torch.tensor([1]).requires_grad_()
    assert not y.detach().requires_grad
    assert y.grad_fn.name() == "MulBackward0"
    assert y.grad_fn.next_functions[0][0].variable is x


def test_hooks_on_tensors() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    y.sum().backward(retain_graph=True)
    assert seen == [[1.0, 1.0]]
    assert x.grad.tolist() == [21.0, 21.0]
    handle.remove()
    y.sum().backward()
    assert seen == [[1.0, 1.0]]
    with pytest.raises(RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"):
        torch.ones(1).register_hook(print)


def test_post_accumulate_hooks_and_retain_grad() -> None:
    x = leaf(1.0)
    x.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(2))
    y = x * 3
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.item() == 6.0
    assert x.grad.item() == 36.0


def test_a_saved_tensor_changed_in_place_is_noticed() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    z = (y * y).sum()
    y.add_(1)
    with pytest.raises(
        RuntimeError,
        match=r"operation: \[torch.FloatTensor \[2\]\], which is output 0 of Add, is at version 1; expected version 0",
    ):
        z.backward()


def test_a_saved_result_changed_in_place_is_noticed() -> None:
    y = leaf(1.0).exp()
    z = y.sum()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_an_unsaved_tensor_may_change_in_place() -> None:
    x = leaf(1.0)
    y = x + 1
    z = (y + 5).sum()
    y.mul_(3)
    z.backward()
    assert x.grad.item() == 1.0


def test_in_place_operations_are_taped() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.mul_(3)
    y += x
    y.sum().backward()
    assert x.grad.tolist() == [7.0, 7.0]


def test_leaves_may_not_be_written_while_taping() -> None:
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad is being used in an in-place"):
        x.view(1, 1).add_(1)
    with torch.no_grad():
        x.add_(1)
    assert x.item() == 2.0
    assert x.is_leaf


def test_a_graph_of_ten_thousand_operations_goes_backward() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y + 0.0
    y.backward()
    assert x.grad.item() == 1.0


def test_an_addition_passes_gradients_on_without_an_operation() -> None:
    first, second, row = (torch.ones(*shape, requires_grad=True) for shape in ((2, 3), (2, 3), (3,)))
    y = first + second + 1 - row
    given = torch.full((2, 3), 2.0, requires_grad=True)
    before = len(PENDING)
    y.backward(given)
    recorded = [node.operation for node in PENDING[before:]]
    assert [operation.primitive.name for operation in recorded if operation] == ["sub_pullback"]  # row's sum
    assert not first.grad.requires_grad
    first.grad.add_(1)
    assert (first.grad.sum().item(), second.grad.sum().item(), row.grad.tolist()) == (18.0, 12.0, [-4.0] * 3)


def test_a_passed_gradient_keeps_its_place_on_the_tape() -> None:
    x, given = leaf(1.0), leaf(3.0)
    (gradient,) = torch.autograd.grad(x + 2, x, given, create_graph=True)
    (gradient * gradient).sum().backward()
    assert given.grad.tolist() == [6.0]
