"""``Parameter`` and ``Buffer``."""

import copy
import pickle

import pytest

import flambeau as torch
from flambeau import nn


def test_a_parameter_is_a_tensor_that_wants_gradients():
    parameter = nn.Parameter(torch.ones(2))
    assert issubclass(nn.Parameter, torch.Tensor)
    assert nn.Parameter().requires_grad is True
    assert repr(parameter) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert parameter.is_leaf
    assert type(parameter.data) is torch.Tensor
    assert type(parameter * 2) is torch.Tensor
    assert not isinstance(torch.ones(1), nn.Parameter)


def test_it_shares_the_elements_of_its_data():
    data = torch.ones(2)
    parameter = nn.Parameter(data)
    data.add_(1)
    assert parameter.tolist() == [2.0, 2.0]
    with torch.no_grad():
        parameter.mul_(2)
    assert data.tolist() == [4.0, 4.0]


def test_whole_numbers_have_no_gradients():
    with pytest.raises(RuntimeError, match=r"^Only Tensors of floating point and complex dtype can require gradients$"):
        nn.Parameter(torch.tensor([1]))
    assert nn.Parameter(torch.tensor([1]), requires_grad=False).tolist() == [1]


def test_what_is_no_tensor_is_refused():
    with pytest.raises(AttributeError, match="'list' object has no attribute 'detach'"):
        nn.Parameter([1.0])


@pytest.mark.parametrize("again", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))], ids=["copy", "pickle"])
def test_copies(again):
    parameter = nn.Parameter(torch.ones(2), requires_grad=False)
    found = again(parameter)
    assert type(found) is nn.Parameter
    assert found.requires_grad is False
    found.add_(1)
    assert parameter.tolist() == [1.0, 1.0]


def test_buffers_are_marked_tensors():
    buffer = nn.Buffer(torch.ones(2), persistent=False)
    assert type(buffer) is torch.Tensor
    assert isinstance(buffer, nn.Buffer)
    assert not isinstance(torch.ones(2), nn.Buffer)
    assert buffer.persistent is False
