"""Training steps of a small GPT in the shape of nanoGPT against PyTorch: forward, loss, backward, AdamW.

python benchmarks/gpt.py
"""

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from timing import interleaved, table

import flambeau

__all__ = ["CONTEXT", "VOCABULARY", "gpt", "stepper"]

CONTEXT, VOCABULARY = 128, 256


def gpt(library: Any, layers: int = 4, width: int = 128, heads: int = 4) -> Any:
    """Characters in, scores of the next ones out, as (batch * length, vocabulary)."""
    nn = library.nn
    functional = nn.functional

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixed = nn.Linear(width, 3 * width)
            self.out = nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            batch, length, _ = x.shape
            query, key, value = (
                part.view(batch, length, heads, width // heads).transpose(1, 2)
                for part in self.mixed(x).split(width, dim=2)
            )
            y = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            return self.out(y.transpose(1, 2).contiguous().view(batch, length, width))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attention = Attention()
            self.wide, self.gelu, self.narrow = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.narrow(self.gelu(self.wide(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(VOCABULARY, width), nn.Embedding(CONTEXT, width)
            self.blocks = nn.ModuleList([Block() for _ in range(layers)])
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, VOCABULARY, bias=False)
            self.tokens.weight = self.head.weight
            for name, parameter in self.named_parameters():
                if parameter.dim() == 2:
                    deeper = name.endswith(("out.weight", "narrow.weight"))
                    nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers) if deeper else 0.02)
                elif name.endswith("bias"):
                    nn.init.zeros_(parameter)

        def forward(self, tokens: Any) -> Any:
            x = self.tokens(tokens) + self.places(library.arange(tokens.shape[1]))
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x)).view(-1, VOCABULARY)

    return GPT()


def stepper(library: Any, batch: int = 8, compiled: bool = False) -> Callable[[int], float]:
    """A function that trains for a number of steps, and returns the last loss."""
    library.manual_seed(0)
    model = gpt(library)
    optimizer = library.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1)
    criterion = library.nn.CrossEntropyLoss()
    forward = torch.compile(model) if compiled else model
    numbers = np.random.default_rng(0)
    batches: list[tuple[Any, Any]] = []
    for _ in range(8):
        tokens = numbers.integers(0, VOCABULARY, (batch, CONTEXT + 1))
        pair = tokens[:, :-1].copy(), tokens[:, 1:].reshape(-1).copy()
        batches.append((library.from_numpy(pair[0]), library.from_numpy(pair[1])))

    def work(count: int) -> float:
        loss: Any = None
        for index in range(count):
            tokens, following = batches[index % len(batches)]
            optimizer.zero_grad()
            loss = criterion(forward(tokens), following)
            loss.backward()
            optimizer.step()
        return loss.item()

    return work


def main() -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    sides = {
        "flambeau": stepper(flambeau),
        "PyTorch eager": stepper(torch),
        "torch.compile": stepper(torch, compiled=True),
    }
    print(table("GPT, 4 layers, width 128, context 128, batch 8", interleaved(sides)))


if __name__ == "__main__":
    main()
