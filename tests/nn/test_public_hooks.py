"""``torch.utils.hooks``, and what programs ask of ``torch.cuda`` and ``torch._C``."""

import pytest

import flambeau as torch
from flambeau.base.hooks import RemovableHandle


def test_handles_have_pytorchs_home() -> None:
    assert torch.utils.hooks.RemovableHandle is RemovableHandle
    assert type(torch.ones(1, requires_grad=True).register_hook(print)) is RemovableHandle


def test_hooks_that_pickling_loses_are_named() -> None:
    x = torch.ones(1, requires_grad=True)
    torch.utils.hooks.warn_if_has_hooks(x)
    x.register_hook(torch.utils.hooks.unserializable_hook(lambda gradient: None))
    torch.utils.hooks.warn_if_has_hooks(x)
    x.register_hook(print)
    with pytest.warns(UserWarning, match="backward hook <built-in function print> on tensor will not be serialized"):
        torch.utils.hooks.warn_if_has_hooks(x)


def test_a_machine_without_gpus() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert torch.cuda.device_count() == 0
    torch.cuda.manual_seed(0)
    torch.cuda.manual_seed_all(0)
    for call in (
        torch.cuda.current_device,
        torch.cuda.get_device_name,
        torch.cuda.synchronize,
        lambda: torch.ones(2, device="cuda"),
        lambda: torch.nn.Linear(2, 2, device="cuda:0"),
        lambda: torch.rand(2, device="cuda"),
    ):
        with pytest.raises(AssertionError, match=r"^Torch not compiled with CUDA enabled \(JAX sees no cuda device"):
            call()


def test_nothing_is_logged() -> None:
    assert torch._C._log_api_usage_once("python.nn_module") is None
