"""What programs ask and set before they begin, against PyTorch on a machine without a GPU."""

import importlib
from types import ModuleType
from typing import Any

import pytest

import flambeau

pytorch = pytest.importorskip("torch")


def seeded(torch: ModuleType) -> Any:
    """What programs do to be repeatable."""
    torch.manual_seed(3)
    torch.cuda.manual_seed_all(3)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = True
    settings = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.deterministic = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return settings


def place(torch: ModuleType) -> Any:
    """The device, as PyTorch's own tutorials choose it."""
    if torch.accelerator.is_available():
        return torch.accelerator.current_accelerator().type
    return "mps" if torch.backends.mps.is_available() else "cpu"


def flagged(torch: ModuleType) -> Any:
    seen = []
    with torch.backends.cudnn.flags(enabled=False, benchmark=True):
        seen.append((torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark))
    return [*seen, (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark)]


def attended(torch: ModuleType) -> Any:
    attention = importlib.import_module(f"{torch.__name__}.nn.attention")
    x = torch.arange(8.0).view(1, 2, 4)
    with attention.sdpa_kernel([attention.SDPBackend.MATH, attention.SDPBackend.FLASH_ATTENTION]):
        return torch.nn.functional.scaled_dot_product_attention(x, x, x).round(decimals=4).tolist()


def within(context: Any) -> Any:
    with context as given:
        return given, type(context).__name__


CASES: dict[str, Any] = {
    "seeds": seeded,
    "place": place,
    "flags": flagged,
    "attention": attended,
    "defaults": lambda t: [
        t.backends.cudnn.enabled,
        t.backends.cudnn.benchmark,
        t.backends.cudnn.deterministic,
        t.backends.cudnn.allow_tf32,
        t.backends.cudnn.benchmark_limit,
        t.backends.cudnn.is_available(),
        t.backends.cudnn.version(),
        t.backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
        t.backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
        t.backends.cuda.is_built(),
        t.backends.mps.is_built(),
        t.backends.mkldnn.enabled,
    ],
    "accelerator": lambda t: [t.accelerator.current_accelerator(), t.accelerator.device_count()],
    "memory": lambda t: [
        t.cuda.empty_cache(),
        t.cuda.memory_allocated(),
        t.cuda.max_memory_allocated(),
        t.cuda.memory_reserved(),
        t.cuda.max_memory_reserved(),
    ],
    "generators of GPUs": lambda t: [t.cuda.get_rng_state_all(), t.cuda.set_rng_state_all([])],
    "GPUs": lambda t: [t.cuda.is_initialized(), t.cuda.is_bf16_supported()],
    "streams": lambda t: [within(t.cuda.stream(item)) for item in (None, 3)] + [t.cuda.set_stream(None)],
    "no memory": lambda t: [
        t.cuda.OutOfMemoryError is t.OutOfMemoryError,
        issubclass(t.OutOfMemoryError, RuntimeError),
        t.OutOfMemoryError.__name__,
        str(t.OutOfMemoryError("CUDA out of memory.")),
    ],
    "processes": lambda t: t.distributed.is_initialized(),
    "version": lambda t: [t.version.cuda, t.version.hip, t.version.debug, t.version.__version__ == t.__version__],
}


@pytest.mark.skipif(flambeau.cuda.is_available() or pytorch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("name", CASES)
def test_same_as_pytorch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # PyTorch's own tests, once imported, forbid setting its flags
    monkeypatch.setitem(pytorch.backends.flags_frozen.__globals__, "__allow_nonbracketed_mutation_flag", True)
    assert CASES[name](flambeau) == CASES[name](pytorch)


ERRORS: dict[str, Any] = {
    "synchronize": lambda t: t.accelerator.synchronize(),
    "index": lambda t: t.accelerator.current_device_index(),
    "capability": lambda t: t.cuda.get_device_capability(),
    "memory": lambda t: t.cuda.mem_get_info(),
    "event": lambda t: t.cuda.Event(enable_timing=True),
    "stream": lambda t: t.cuda.Stream(),
    "stream of a device": lambda t: t.cuda.Stream(device=0, priority=-1),
    "current stream": lambda t: t.cuda.current_stream(),
    "default stream": lambda t: t.cuda.default_stream("cuda:0"),
    "kernels": lambda t: importlib.import_module(f"{t.__name__}.nn.attention").sdpa_kernel(3).__enter__(),
}


@pytest.mark.skipif(flambeau.cuda.is_available() or pytorch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("name", ERRORS)
def test_errors_begin_with_pytorchs_words(name: str) -> None:
    found = []
    for library in (pytorch, flambeau):
        with pytest.raises((RuntimeError, AssertionError), match=r".") as caught:
            ERRORS[name](library)
        found.append(caught)
    assert found[1].type is found[0].type
    assert str(found[1].value).startswith(str(found[0].value))


def test_events_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = importlib.import_module("flambeau.cuda.streams")
    monkeypatch.setattr(streams, "available", lambda kind: 1)
    monkeypatch.setattr(streams, "jax_device", lambda place: place)
    stream, start, end = streams.current_stream(), streams.Event(enable_timing=True), streams.Event(enable_timing=True)
    with pytest.raises(ValueError, match="Both events must be recorded before calculating elapsed time"):
        start.elapsed_time(end)
    with pytest.raises(ValueError, match="Both events must be created with argument 'enable_timing=True'"):
        start.elapsed_time(streams.Event())
    start.record()
    with streams.stream(stream):
        flambeau.ones(300, 300).mm(flambeau.ones(300, 300))
    stream.wait_stream(streams.Stream())
    stream.record_event(end).synchronize()
    assert end.query()
    assert stream.query()
    assert 0 < start.elapsed_time(end) < 60_000
    assert stream == streams.default_stream(0)
    assert repr(stream) == "<torch.cuda.Stream device=cuda:0>"


def test_processes_do_not_work_together() -> None:
    assert not flambeau.distributed.is_available()
    with pytest.raises(NotImplementedError, match=r"^torch\.distributed\.init_process_group is not supported: "):
        flambeau.distributed.init_process_group("nccl")


def test_annotations() -> None:
    types = importlib.import_module("flambeau.types")
    sizes = importlib.import_module("flambeau.nn.common_types")
    assert types.Number == int | float | bool
    assert sizes._size_2_t == int | tuple[int, int]
