"""Whole objects in files, in both directions: every layer, models of the user's, optimizers, schedules, generators."""

import importlib
import io
import zipfile
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.serialization.classes import CLASSES, FUNCTIONS
from tests.parity.oracle import torch
from tests.parity.test_layers import LAYERS, made

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

BOTH = [(flambeau, torch), (torch, flambeau)]
DIRECTIONS = pytest.mark.parametrize(("writer", "reader"), BOTH, ids=["ours to PyTorch", "PyTorch's to us"])
MORE = (
    "AdaptiveAvgPool3d(2)",
    "AdaptiveMaxPool1d(2)",
    "AdaptiveMaxPool3d(2)",
    "AlphaDropout(0.2)",
    "Container()",
    "ConvTranspose3d(4, 2, 3)",
    "Dropout1d()",
    "Dropout3d()",
    "NLLLoss2d()",
    "FeatureAlphaDropout()",
    "InstanceNorm3d(4, affine=True)",
    "LPPool1d(2, 2)",
    "LPPool3d(2, 2)",
    "Module()",
    "ModuleDict({'a': nn.ReLU(), 'b': nn.Linear(1, 2)})",
    "ModuleList([nn.ReLU(), nn.Linear(1, 2)])",
    "ParameterDict({'a': torch.ones(2), 'b': nn.Parameter(torch.ones(1))})",
    "ParameterList([torch.ones(2), nn.Parameter(torch.ones(1))])",
    "Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Sequential(nn.ReLU()))",
    "DataParallel(nn.Linear(2, 3))",
)
EXPRESSIONS = [*LAYERS, *MORE]


def sent(writer: Any, reader: Any, obj: Any) -> Any:
    """An object saved by one library and loaded by the other; PyTorch reads ours as it reads its own."""
    file = io.BytesIO()
    writer.save(obj, file)
    file.seek(0)
    return reader.load(file, weights_only=False)


def plain(value: Any, seen: dict[int, tuple[int, Any]] | None = None) -> Any:
    """An object as both libraries can compare it: tensors by their bytes, others by their classes and attributes."""
    seen = {} if seen is None else seen
    if isinstance(value, (type(None), bool, int, float, str)):
        return value
    if id(value) in seen:
        return "seen", seen[id(value)][0]
    seen[id(value)] = len(seen), value
    if isinstance(value, (torch.Tensor, flambeau.Tensor)):
        numbers = np.array(value.detach().tolist()).tobytes()
        return type(value).__name__, str(value.dtype), tuple(value.shape), value.requires_grad, numbers
    if isinstance(value, dict):
        return type(value).__name__, [(plain(key, seen), plain(item, seen)) for key, item in value.items()]
    if isinstance(value, (list, tuple, set)):
        return type(value).__name__, [plain(item, seen) for item in value]
    if isinstance(value, type) or not hasattr(value, "__dict__"):
        return str(value).replace("flambeau.", "torch.")
    state = value.__getstate__()
    return type(value).__name__, plain(vars(value) if state is None else state, seen)


def pickle_of(library: Any, obj: Any) -> bytes:
    file = io.BytesIO()
    library.save(obj, file)
    with zipfile.ZipFile(file) as archive:
        return archive.read("archive/data.pkl")


@DIRECTIONS
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_layer(expression: str, writer: Any, reader: Any) -> None:
    layer = made(writer, expression)
    layer.eval()
    found = sent(writer, reader, layer)
    expected = made(reader, expression).eval()
    assert type(found) is type(expected)
    assert repr(found) == repr(expected)
    assert plain(found) == plain(expected)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_layers_are_described_byte_for_byte_as_by_pytorch(expression: str) -> None:
    assert pickle_of(flambeau, made(flambeau, expression)) == pickle_of(torch, made(torch, expression))


def test_every_layer_is_tried() -> None:
    tried = {type(made(flambeau, expression)) for expression in EXPRESSIONS}
    lazy = flambeau.nn.modules.lazy.LazyModuleMixin  # not described alike: our uninitialized parameters keep their type
    layers = {kind for kind in CLASSES.values() if issubclass(kind, flambeau.nn.Module) and not issubclass(kind, lazy)}
    assert layers - tried == {flambeau.optim.swa_utils.AveragedModel}  # has a test of its own


def test_every_name_is_that_of_pytorch() -> None:
    for name, kind in CLASSES.items():
        module, _, last = name.rpartition(".")
        theirs = getattr(importlib.import_module(module), last)
        assert isinstance(theirs, type), name
        assert last.removeprefix("_").removeprefix("NonDynamicallyQuantizable") == kind.__name__
    public = [getattr(torch.nn, name) for name in flambeau.nn.modules.__all__]
    assert {f"{kind.__module__}.{kind.__qualname__}" for kind in public} <= set(CLASSES)


def test_functions_are_those_of_pytorch() -> None:
    missing = []
    for name in sorted(flambeau.nn.functional.__all__):
        theirs = getattr(torch.nn.functional, name)
        full = f"{theirs.__module__}.{theirs.__qualname__}"
        # Compiled functions are reached through getattr only, and functions inside functions not at all.
        if full not in FUNCTIONS and "._VariableFunctionsClass." not in full and "<locals>" not in full:
            missing.append(full)
    assert missing == []


@DIRECTIONS
def test_functions_as_values(writer: Any, reader: Any) -> None:
    functions = [writer.nn.functional.relu, writer.nn.functional.gelu, writer.nn.functional.silu]
    found = sent(writer, reader, functions)
    assert found == [reader.nn.functional.relu, reader.nn.functional.gelu, reader.nn.functional.silu]


@DIRECTIONS
def test_classes_as_values(writer: Any, reader: Any) -> None:
    assert sent(writer, reader, [writer.nn.ReLU, writer.optim.SGD]) == [reader.nn.ReLU, reader.optim.SGD]


# Models ---------------------------------------------------------------------------------------------------------------


class OurNet(flambeau.nn.Module):
    """Convolutions, linear layers, a shared layer and a tied parameter, as people write it."""

    def __init__(self) -> None:
        super().__init__()
        build(self, flambeau)

    def forward(self, x: Any) -> Any:
        return compute(self, x, flambeau)


class TheirNet(torch.nn.Module):
    """The same with PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        build(self, torch)

    def forward(self, x: Any) -> Any:
        return compute(self, x, torch)


def build(self: Any, library: Any) -> None:
    nn = library.nn
    self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    self.first, self.second = nn.Linear(36, 36), nn.Linear(36, 5)
    self.again = self.first
    self.tied = self.second.bias
    self.register_buffer("scale", library.full((1,), 0.5))
    self.register_buffer("hidden", library.ones(2), persistent=False)
    self.activation = library.nn.functional.relu
    self.sizes = {"classes": 5, "shape": (3, 8, 8)}


def compute(self: Any, x: Any, library: Any) -> Any:
    x = self.activation(self.first(library.flatten(self.features(x), 1)))
    return self.second(self.again(x)) * self.scale + self.tied


def net(library: Any) -> Any:
    library.manual_seed(3)
    return (OurNet if library is flambeau else TheirNet)()


NAMES = {flambeau: f"{OurNet.__module__}.OurNet", torch: f"{TheirNet.__module__}.TheirNet"}


def test_a_model_of_pytorchs_becomes_ours_if_its_class_is_registered() -> None:
    theirs = net(torch)
    image = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    expected = theirs(torch.tensor(image))
    with flambeau.serialization.safe_globals([(OurNet, NAMES[torch])]):
        found = sent(torch, flambeau, theirs)
    assert type(found) is OurNet
    assert found.training
    assert found.again is found.first
    assert found.tied is found.second.bias
    assert found._non_persistent_buffers_set == {"hidden"}
    np.testing.assert_allclose(found(flambeau.tensor(image)).detach().numpy(), expected.detach().numpy(), atol=1e-5)
    loss = found(flambeau.tensor(image)).sum()
    loss.backward()
    assert found.first.weight.grad.shape == (36, 36)


def test_a_model_of_ours_is_opened_by_pytorch() -> None:
    mine = net(flambeau)
    file = io.BytesIO()
    flambeau.save(mine, file)
    data = file.getvalue()
    found = torch.load(io.BytesIO(data), weights_only=False)
    assert type(found) is OurNet  # its own class is ours; what it is made of is PyTorch's
    assert {type(part).__module__.split(".")[0] for part in found._modules.values()} == {"torch"}
    assert {key: value.tolist() for key, value in found.features.state_dict().items()} == {
        key: value.tolist() for key, value in mine.features.state_dict().items()
    }


@DIRECTIONS
def test_models_of_layers_compute_the_same(writer: Any, reader: Any) -> None:
    model = net(writer).features.eval()
    image = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    expected = model(writer.tensor(image)).detach().numpy()
    found = sent(writer, reader, model)
    assert not found.training
    np.testing.assert_allclose(found(reader.tensor(image)).detach().numpy(), expected, atol=1e-5)
    found.train()
    found(reader.tensor(image))
    assert found[1].num_batches_tracked.item() == 1


def test_the_texts_of_refusals_are_pytorchs() -> None:
    file = io.BytesIO()
    torch.save(net(torch), file)
    words = []
    for library in (torch, flambeau):
        file.seek(0)
        with pytest.raises(Exception, match="Weights only load failed") as caught:
            library.load(file, weights_only=True)
        words.append(str(caught.value))
    name = NAMES[torch]
    fact = (
        f"Unsupported global: GLOBAL {name} was not an allowed global by default. Please use "
        f"`torch.serialization.add_safe_globals([{name}])` or the `torch.serialization.safe_globals([{name}])` context "
        "manager to allowlist this global if you trust this class/function"
    )
    assert fact in words[1]
    # PyTorch stops at the first name that it does not know, which is that of a layer where the model's is registered.
    assert fact in words[0]


# Optimizers, schedules, generators ------------------------------------------------------------------------------------


def trained(library: Any, name: str) -> Any:
    library.manual_seed(0)
    model = library.nn.Linear(2, 3)
    params = [model.weight] if name == "Muon" else model.parameters()  # of two dimensions
    optimizer = getattr(library.optim, name)(params, lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(library.ones(2, 2)).sum().backward()
        optimizer.step()
    return model, optimizer


OPTIMIZERS = (
    "ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax Muon NAdam RAdam RMSprop Rprop SGD".split()
)  # and L-BFGS, which PyTorch cannot load from its own files either
SCHEDULES: dict[str, tuple[Any, ...]] = {
    "StepLR": (2,),
    "MultiStepLR": ([2],),
    "ExponentialLR": (0.9,),
    "CosineAnnealingLR": (5,),
    "CosineAnnealingWarmRestarts": (5,),
    "OneCycleLR": (0.1, 10),
    "ConstantLR": (),
    "LinearLR": (),
    "PolynomialLR": (),
    "ReduceLROnPlateau": (),
}


@DIRECTIONS
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name: str, writer: Any, reader: Any) -> None:
    model, optimizer = sent(writer, reader, trained(writer, name))
    assert type(optimizer) is getattr(reader.optim, name)
    assert optimizer.param_groups[0]["params"][0] is model.weight
    expected = trained(reader, name)
    assert plain(optimizer.param_groups[0].keys()) == plain(expected[1].param_groups[0].keys())
    for part in ((model, optimizer), expected):
        part[1].zero_grad()
        part[0](reader.ones(2, 2)).sum().backward()
        part[1].step()
    np.testing.assert_allclose(model.weight.tolist(), expected[0].weight.tolist(), rtol=1e-5)


@DIRECTIONS
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str, writer: Any, reader: Any) -> None:
    rates = []
    for library in (writer, reader):
        _, optimizer = trained(library, "SGD")
        schedule = getattr(library.optim.lr_scheduler, name)(optimizer, *SCHEDULES[name])
        if library is writer:
            schedule = sent(writer, reader, schedule)
        assert type(schedule) is getattr(reader.optim.lr_scheduler, name)
        for _ in range(4):
            schedule.optimizer.step()
            schedule.step(*([1.0] if name == "ReduceLROnPlateau" else []))
        rates.append(schedule.optimizer.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(rates[1], rel=1e-12)


@DIRECTIONS
def test_averaged_model(writer: Any, reader: Any) -> None:
    model = writer.nn.Linear(2, 3)
    averaged = writer.optim.swa_utils.AveragedModel(model)
    averaged.update_parameters(model)
    found = sent(writer, reader, averaged)
    assert type(found) is reader.optim.swa_utils.AveragedModel
    assert (found.n_averaged.item(), found.module.weight.tolist()) == (1, model.weight.tolist())
    found.update_parameters(reader.nn.Linear(2, 3))
    assert found.n_averaged.item() == 2


@DIRECTIONS
def test_generator(writer: Any, reader: Any) -> None:
    generator = writer.Generator().manual_seed(5)
    writer.rand(3, generator=generator)
    found = sent(writer, reader, generator)
    assert found.initial_seed() == 5
    assert reader.rand(4, generator=found).tolist() == writer.rand(4, generator=generator).tolist()


@DIRECTIONS
def test_meta_tensors(writer: Any, reader: Any) -> None:
    model = writer.nn.Linear(2, 3, device="meta")
    found = sent(writer, reader, model)
    assert repr(found.weight) == repr(model.weight).replace("flambeau.", "torch.")
    assert found.weight.is_meta
    assert isinstance(found.weight, reader.nn.Parameter)


# Errors ---------------------------------------------------------------------------------------------------------------


def local() -> Any:
    class Hidden:
        pass

    return Hidden


@pytest.mark.parametrize("make", [lambda: lambda: 1, local, local(), lambda: (i for i in "a")])
def test_what_cannot_be_saved_says_so_in_the_words_of_pickle(make: Any) -> None:
    value = make()
    with pytest.raises((AttributeError, TypeError), match="pickle") as theirs:
        torch.save(value, io.BytesIO())
    with pytest.raises(type(theirs.value), match="pickle") as ours:
        flambeau.save(value, io.BytesIO())
    assert str(ours.value) == f"cannot save the object: {theirs.value}"
