"""A small GPT in the shape of nanoGPT, for either library."""

import math
from typing import Any

__all__ = ["CONTEXT", "VOCABULARY", "gpt"]

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
