"""The same seed in both libraries: the same weights, batches and losses; and what a training step costs."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import flambeau
from flambeau.cli.images import digits
from flambeau.nn.functional import cross_entropy
from flambeau.runtime.force import RUNS
from flambeau.runtime.report import Compilation
from flambeau.testing import compilations

torch = pytest.importorskip("torch")
civilnet = pytest.importorskip("examples.compare_with_torch").civilnet

IMAGES, BATCH, EPOCHS = 88, 31, 3  # an epoch is two whole batches and a shorter one
COUNTS = [31, 31, 26] * EPOCHS


@dataclass
class Record:
    """What a training did: weights it began with, and for each step the batch, the figures and the work."""

    weights: dict[str, bytes]
    final: list[Any] = field(default_factory=list)
    batches: list[tuple[bytes, bytes]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    compiled: list[list[Compilation]] = field(default_factory=list)
    programs: list[int] = field(default_factory=list)


def trained(library: Any) -> Record:
    """Train CivilNet on some of the digits, with a scheduler, reading loss and accuracy at each step."""
    library.manual_seed(7)
    model = civilnet(library)
    record = Record({name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()})
    optimizer = library.optim.Adam(model.parameters(), lr=5e-4)
    scheduler = library.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    data = library.utils.data
    dataset = data.TensorDataset(*(library.from_numpy(array[:IMAGES]) for array in digits().train))
    loader = data.DataLoader(dataset, batch_size=BATCH, shuffle=True)
    for inputs, labels in (batch for _ in range(EPOCHS) for batch in loader):
        record.batches.append((inputs.numpy().tobytes(), labels.numpy().tobytes()))
        before = RUNS["programs"]
        with compilations() as compiled:
            outputs = model(inputs)
            loss = library.nn.functional.cross_entropy(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            record.losses.append(loss.item())
            record.right.append((outputs.argmax(dim=1) == labels).sum().item())
        record.compiled.append(compiled)
        record.programs.append(RUNS["programs"] - before)
    record.final = [parameter.detach().numpy() for parameter in model.parameters()]
    return record


@pytest.fixture(scope="module")
def mine() -> Record:
    return trained(flambeau)


@pytest.fixture(scope="module")
def theirs() -> Record:
    return trained(torch)


def test_the_initial_weights_are_equal_to_the_bit(mine: Record, theirs: Record) -> None:
    assert mine.weights == theirs.weights
    assert list(mine.weights) == list(theirs.weights)


def test_the_batches_are_identical(mine: Record, theirs: Record) -> None:
    assert mine.batches == theirs.batches
    assert [len(labels) // 8 for _, labels in mine.batches] == COUNTS
    assert mine.batches[:3] != mine.batches[3:6]


def test_the_losses_agree(mine: Record, theirs: Record) -> None:
    np.testing.assert_allclose(mine.losses, theirs.losses, rtol=0, atol=1e-4)
    assert np.abs(np.subtract(mine.right, theirs.right)).max() <= 1
    for one, other in zip(mine.final, theirs.final, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)


def test_nothing_is_compiled_after_the_second_step_but_for_the_shorter_batch(mine: Record) -> None:
    """One program for the step and one for the accuracy; both once more for the shorter batch, and never again."""
    assert [len(compiled) for compiled in mine.compiled] == [2, 0, 2, 0, 0, 0, 0, 0, 0]
    step, accuracy = mine.compiled[2]
    assert "is float32[26, 3, 32, 32], was float32[31, 3, 32, 32]" in step.reason
    assert step.names == mine.compiled[0][0].names
    assert accuracy.names == ("argmax", "eq", "sum")


def test_the_forward_pass_runs_once(mine: Record) -> None:
    """A step that reads the loss and the outputs runs two programs, and only the first has the network in it."""
    assert mine.programs == [2] * len(COUNTS)
    step, accuracy = mine.compiled[0]
    assert step.names.count("convolution") == 2
    assert accuracy.names == ("argmax", "eq", "sum")
    assert accuracy.flops < step.flops / 1000
    # A step's work grows with its images, so nothing was computed twice for one of the two sizes.
    assert mine.compiled[2][0].flops / step.flops == pytest.approx(26 / 31, rel=0.01)


def test_looking_at_the_loss_alone_takes_no_more_than_a_step(mine: Record) -> None:
    """The loss alone: one program a step, with the same work as when the outputs are looked at."""
    flambeau.manual_seed(0)
    model = civilnet(flambeau)
    optimizer = flambeau.optim.Adam(model.parameters(), lr=5e-4)
    inputs, labels = (flambeau.from_numpy(array[:BATCH]) for array in digits().train)
    before = RUNS["programs"]
    with compilations() as compiled:
        for _ in range(2):
            loss = cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
    assert RUNS["programs"] == before + 2
    assert len(compiled) <= 1
    for entry in compiled:
        assert entry.flops == pytest.approx(mine.compiled[0][0].flops, rel=1e-3)


def test_evaluation_runs_the_forward_pass_once() -> None:
    model = civilnet(flambeau)
    model.eval()
    inputs, labels = (flambeau.from_numpy(array[:11]) for array in digits().train)
    before = RUNS["programs"]
    with compilations() as compiled, flambeau.no_grad():
        outputs = model(inputs)
        loss, right = cross_entropy(outputs, labels), (outputs.argmax(dim=1) == labels).sum()
        loss.item(), right.item(), outputs.tolist()
    assert RUNS["programs"] == before + 1
    assert [entry.names.count("convolution") for entry in compiled] == [2]
