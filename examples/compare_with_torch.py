"""The same training in PyTorch and in Flambeau: same seed, same weights, same batches, same losses.

    python examples/compare_with_torch.py [--epochs 5] [--seed 0]

Needs PyTorch beside Flambeau. Ends with an error if the initial weights or a batch differ in a single bit, or if an
epoch's mean loss differs by more than 1e-4. What differs is the order of additions inside a sum: in double precision
(--double) the losses agree to 1e-14. At higher learning rates training itself multiplies differences of the last bit.
"""

import argparse
import hashlib
import sys
from typing import Any

import numpy as np
import torch

import flambeau
from flambeau.cli.images import digits


def civilnet(library: Any) -> Any:
    """CivilNet, written once for both libraries."""
    nn = library.nn
    functional = nn.functional

    class CivilNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 6, 5)
            self.pool = nn.MaxPool2d(2, 2)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16 * 5 * 5, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, 10)

        def forward(self, x: Any) -> Any:
            x = self.pool(functional.relu(self.conv1(x)))
            x = self.pool(functional.relu(self.conv2(x)))
            x = x.view(-1, 16 * 5 * 5)
            x = functional.relu(self.fc1(x))
            x = functional.relu(self.fc2(x))
            return self.fc3(x)

    return CivilNet()


def train(library: Any, epochs: int, seed: int, *, double: bool) -> dict[str, Any]:
    """Train with one library; returns digests of the initial weights and of all batches, and the mean losses."""
    library.manual_seed(seed)
    model = civilnet(library)
    weights = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        weights.update(name.encode() + tensor.numpy().tobytes())
    optimizer = library.optim.Adam(model.parameters(), lr=5e-4)
    scheduler = library.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    criterion = library.nn.CrossEntropyLoss()
    images, labels = digits().train
    if double:
        model, images = model.double(), images.astype(np.float64)
    data = library.utils.data
    dataset = data.TensorDataset(library.from_numpy(images), library.from_numpy(labels))
    loader = data.DataLoader(dataset, batch_size=64, shuffle=True)
    batches = hashlib.sha256()
    losses: list[float] = []
    for _ in range(epochs):
        total = 0.0
        for inputs, targets in loader:
            batches.update(inputs.numpy().tobytes() + targets.numpy().tobytes())
            loss = criterion(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
        scheduler.step()
        losses.append(total / len(dataset))
    return {"weights": weights.hexdigest(), "batches": batches.hexdigest(), "losses": losses}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--double", action="store_true", help="compute in float64")
    arguments = parser.parse_args()
    theirs, mine = (
        train(library, arguments.epochs, arguments.seed, double=arguments.double) for library in (torch, flambeau)
    )
    equal = {name: mine[name] == theirs[name] for name in ("weights", "batches")}
    for name, same in equal.items():
        print(f"{name}: {'bit-equal' if same else 'DIFFERENT'} (sha256 {mine[name][:16]}, {theirs[name][:16]})")
    print("epoch  PyTorch     Flambeau    difference")
    gaps = np.abs(np.array(mine["losses"]) - np.array(theirs["losses"]))
    for epoch, (one, other, gap) in enumerate(zip(theirs["losses"], mine["losses"], gaps, strict=True), 1):
        print(f"{epoch:5}  {one:.7f}   {other:.7f}   {gap:.1e}")
    good = all(equal.values()) and bool((gaps <= 1e-4).all())
    print("equal within 1e-4" if good else "NOT equal")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
