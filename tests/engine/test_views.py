"""Views and in-place operations alias as PyTorch's do."""

import pytest

import flambeau as torch


def grid() -> torch.Tensor:
    return torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])


def test_writing_into_a_view_changes_the_base() -> None:
    x = grid()
    x.view(6).narrow(0, 1, 2).mul_(10)
    assert x.tolist() == [[0, 10, 20], [3, 4, 5]]


def test_writing_into_the_base_changes_every_view() -> None:
    x = grid()
    row, flipped, flat = x.select(0, 1), x.t(), x.view(-1)
    x.add_(100)
    assert row.tolist() == [103, 104, 105]
    assert flipped.tolist() == [[100, 103], [101, 104], [102, 105]]
    assert flat.tolist() == [100, 101, 102, 103, 104, 105]


def test_a_view_of_a_view_writes_all_the_way() -> None:
    x = grid()
    x.t().select(0, 2).fill_(-1)
    x.unsqueeze(0).permute(2, 0, 1).select(0, 0).zero_()
    assert x.tolist() == [[0, 1, -1], [0, 4, -1]]


def test_diagonals_and_windows_can_be_written() -> None:
    x = grid()
    x.diagonal().fill_(9)
    assert x.tolist() == [[9, 1, 2], [3, 9, 5]]
    y = torch.tensor([0.0, 1.0, 2.0, 3.0])
    y.unfold(0, 2, 2).select(0, 1).fill_(7)
    assert y.tolist() == [0, 1, 7, 7]


def test_an_expanded_tensor_cannot_be_written() -> None:
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a single memory"):
        torch.ones(1).expand(3).add_(1)


def test_detached_tensors_share_and_are_off_the_tape() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    d = x.detach()
    d.mul_(5)
    assert x.tolist() == [5, 10]
    assert x.requires_grad
    assert x.is_leaf
    assert not d.requires_grad
    x.data.add_(1)
    assert d.tolist() == [6, 11]


def test_assigning_data_shows_the_other_tensors_elements() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    view = x.data
    x.data = torch.tensor([7.0, 8.0])
    assert x.tolist() == [7, 8]
    assert view.tolist() == [1, 2]
    assert x.requires_grad


def test_gradients_flow_through_writes_into_views() -> None:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    w = torch.tensor(5.0, requires_grad=True)
    y = x * 1
    y.narrow(0, 1, 1).mul_(w)
    y.select(0, 0).copy_(w)
    y.sum().backward()
    assert y.tolist() == [5, 10, 3]
    assert x.grad.tolist() == [0, 5, 1]
    assert w.grad.item() == 3


def test_a_view_taken_before_a_write_knows_the_new_history() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    view = y.view(2, 1)
    y.mul_(4)
    view.sum().backward()
    assert x.grad.tolist() == [4, 4]


def test_versions_count_writes() -> None:
    x = torch.ones(2)
    view = x.view(2, 1)
    assert x._version == 0
    view.add_(1)
    x.add_(1)
    assert (x._version, view._version, x.detach()._version) == (2, 2, 2)


def test_geometry() -> None:
    x = grid()
    assert x.stride() == (3, 1)
    assert x.t().stride() == (1, 3)
    assert x.select(1, 2).stride() == (3,)
    assert x.select(1, 2).storage_offset() == 2
    assert not x.t().is_contiguous()
    assert x.t().contiguous().stride() == (2, 1)
    assert x.unsqueeze(1).expand(2, 4, 3).stride() == (3, 0, 1)
    assert x.data_ptr() == x.detach().data_ptr() == x.view(-1).data_ptr()
    assert x.select(0, 1).data_ptr() == x.data_ptr() + 12


def test_views_that_need_a_copy() -> None:
    x = grid()
    with pytest.raises(RuntimeError, match="view size is not compatible with input tensor's size and stride"):
        x.t().view(6)
    y = x.t().reshape(6)
    y.zero_()
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert x.t().view(3, 2, 1).shape == (3, 2, 1)


def test_shape_errors() -> None:
    x = grid()
    with pytest.raises(RuntimeError, match=r"shape '\[4, -1\]' is invalid for input of size 6"):
        x.view(4, -1)
    with pytest.raises(IndexError, match=r"Dimension out of range \(expected to be in range of \[-2, 1\], but got 2\)"):
        x.select(2, 0)
    with pytest.raises(RuntimeError, match=r"The expanded size of the tensor \(4\) must match the existing size \(3\)"):
        x.expand(2, 4)
    with pytest.raises(RuntimeError, match=r"output with shape \[2, 3\] doesn't match the broadcast shape \[4, 2, 3\]"):
        x.add_(torch.ones(4, 2, 3))
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        torch.tensor([1, 2]).add_(1.5)
