"""Fused layers compute what the two layers did; values that can be checked by hand."""

import flambeau as torch
from flambeau import nn


def test_linear_with_a_normalization_without_parameters():
    """PyTorch cannot fuse this one."""
    linear = nn.Linear(1, 2, bias=False).eval()
    norm = nn.BatchNorm1d(2, affine=False, eps=0.0).eval()
    nn.utils.vector_to_parameters(torch.tensor([1.0, 3.0]), linear.parameters())
    norm.running_mean = torch.tensor([1.0, -2.0])
    norm.running_var = torch.tensor([4.0, 0.25])
    fused = nn.utils.fuse_linear_bn_eval(linear, norm)
    assert fused.bias is not None
    assert (fused.weight.tolist(), fused.bias.tolist()) == ([[0.5], [6.0]], [-0.5, 4.0])
    assert (fused.weight.requires_grad, fused.bias.requires_grad) == (True, False)
    assert fused(torch.tensor([[3.0]])).tolist() == norm(linear(torch.tensor([[3.0]]))).tolist() == [[1.0, 22.0]]
    assert linear.bias is None
