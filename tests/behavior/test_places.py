"""Rows 111 to 118: devices, at loading and after."""

import io

import pytest

from tests.behavior.errors import raises, raises_like
from tests.behavior.files import moved, reloaded, saved
from tests.behavior.models import CIVIL_KEYS, civil_net

NO_CUDA = (
    "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are running on a "
    "CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your storages to the CPU."
)


def without_cuda(torch):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")


def test_row_111_load_on_the_cpu(torch):
    data = moved(saved(torch, {"a": torch.ones(2)}), "cuda:0")
    for place in (torch.device("cpu"), "cpu", {"cuda:0": "cpu"}, lambda storage, location: storage):
        found = torch.load(io.BytesIO(data), map_location=place)["a"]
        assert (found.device, found.tolist()) == (torch.device("cpu"), [1.0, 1.0])
    seen = []
    torch.load(io.BytesIO(data), map_location=lambda storage, location: seen.append(location) or storage)
    assert seen == ["cuda:0"]


def test_row_112_load_on_a_gpu_that_is_not_there(torch):
    without_cuda(torch)
    file = saved(torch, {"a": torch.ones(2)})
    for place in ("cuda:0", torch.device("cuda"), {"cpu": "cuda:0"}):
        with raises(RuntimeError, NO_CUDA):
            torch.load(io.BytesIO(file), map_location=place)


def test_row_113_without_map_location_tensors_return_to_their_device(torch):
    layer = torch.nn.Linear(2, 2)
    data = moved(saved(torch, layer.state_dict()), "cuda:0")
    if torch.cuda.is_available():
        state = torch.load(io.BytesIO(data))
        assert state["weight"].device == torch.device("cuda:0")
        layer.load_state_dict(state)
        assert layer.weight.device.type == "cpu"
    else:
        with raises(RuntimeError, NO_CUDA):
            torch.load(io.BytesIO(data))


def test_row_114_devices(torch):
    devices = [torch.device("cpu"), torch.device("cuda"), torch.device("cuda:0"), torch.device("cuda", 0)]
    assert [repr(item) for item in devices] == [
        "device(type='cpu')", "device(type='cuda')", "device(type='cuda', index=0)", "device(type='cuda', index=0)",
    ]  # fmt: skip


def test_row_115_to_a_gpu_that_is_not_there(torch):
    cn = civil_net(torch)()
    if torch.cuda.is_available():
        assert cn.cuda().eval() is cn
    else:
        with raises_like(AssertionError, "Torch not compiled with CUDA enabled"):
            cn.cuda().eval()


def test_row_116_to_moves_a_module_in_place_and_copies_a_tensor(torch):
    model, x = torch.nn.Linear(2, 2), torch.ones(2)
    assert model.to(torch.float64) is model
    moved_x = x.to(torch.float64)
    assert (x.dtype, moved_x.dtype) == (torch.float32, torch.float64)
    assert x.to(torch.device("cpu")) is x


def test_row_117_parameters_keep_their_identity(torch):
    model = torch.nn.Linear(2, 2)
    before = list(model.parameters())
    address = model.weight.data_ptr()
    model.to(torch.float64).cpu().float().to(torch.float16)
    assert [p is q for p, q in zip(before, model.parameters(), strict=True)] == [True, True]
    assert before[0].dtype is torch.float16
    assert model.weight.data_ptr() != address


def test_row_118_saving_what_data_parallel_holds(torch):
    model = torch.nn.DataParallel(civil_net(torch)())
    state = reloaded(torch, model.module.state_dict())
    assert list(state) == CIVIL_KEYS
    assert repr(civil_net(torch)().load_state_dict(state)) == "<All keys matched successfully>"
