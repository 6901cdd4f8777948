"""Long graphs run in pieces that share programs: XLA's compile time grows faster than its programs.

A Python loop records the same operations over and over. The pieces are cut at whole periods of that repetition, so
that one compiled piece serves them all.
"""

from itertools import accumulate
from typing import Any

import numpy as np

from flambeau.base.config import config
from flambeau.graph.node import Node

__all__ = ["pieces"]

_LONGEST_PERIOD = 512
_NEAR = 128
_FACTOR = 0x9E3779B97F4A7C15


def pieces(nodes: list[Node]) -> list[list[Node]]:
    """Split nodes, in order, into runs that are compiled and run one after another."""
    if len(nodes) <= config.program_limit:
        return [nodes]
    tokens = _tokens(nodes)
    cuts: list[list[Node]] = []
    start = 0
    irregular = 0
    while start < len(nodes):
        period, repeats = _repetition(tokens, start)
        stride = period * max(1, config.piece_size // max(period, 1))
        if repeats * period < 2 * stride:
            start += 1
            if start - irregular >= config.piece_size:
                cuts.append(nodes[irregular:start])
                irregular = start
            continue
        if irregular < start:
            cuts.append(nodes[irregular:start])
        whole = period * repeats // stride * stride
        cuts.extend(nodes[at : at + stride] for at in range(start, start + whole, stride))
        start += whole
        irregular = start
    if irregular < len(nodes):
        cuts.append(nodes[irregular:])
    return cuts


def _tokens(nodes: list[Node]) -> Any:
    """One number a node, equal for nodes of the same operation wired alike (how far back each near input lies).

    Two different nodes could have the same number, one time in 2**64; it would only cut in a worse place.
    """
    for place, node in enumerate(nodes, _NEAR):
        node.index = place
    inputs = [node.inputs for node in nodes]
    sources = [item.index if type(item) is Node else 0 for each in inputs for item in each]
    serials = [node.operation.serial for node in nodes]  # pyright: ignore[reportOptionalMemberAccess]  # pending nodes have one
    for node in nodes:
        node.index = 0
    ends = np.fromiter(accumulate(map(len, inputs), initial=0), np.int64, len(nodes) + 1)
    user = np.repeat(np.arange(len(nodes)), np.diff(ends))
    distance = np.minimum(user + _NEAR - np.fromiter(sources, np.int64, len(sources)), _NEAR).astype(np.uint64)
    slot = np.arange(len(user)) - ends[user]
    weights = np.cumprod(np.full(int(slot.max(initial=0)) + 2, _FACTOR, np.uint64))  # these overflow, as hashes do
    sums = np.cumsum(np.append(np.uint64(0), distance * weights[slot + 1]))[ends]
    return np.fromiter(serials, np.uint64, len(nodes)) * weights[0] + np.diff(sums)


def _repetition(tokens: Any, start: int) -> tuple[int, int]:
    """Shortest period that repeats at least three times from ``start``, and how often it does."""
    longest = min(_LONGEST_PERIOD, (len(tokens) - start - 1) // 2)
    ahead = tokens[start : start + 2 * longest + 1]
    again = (ahead[1 : longest + 1] == ahead[0]) & (ahead[2::2] == ahead[0])
    text = ahead.tobytes()
    for period in (np.flatnonzero(again) + 1).tolist():
        size = period * ahead.itemsize
        if text[:size] != text[size : 2 * size]:
            continue
        broken = np.flatnonzero(tokens[start + period :] != tokens[start:-period])
        length = int(broken[0]) if len(broken) else len(tokens) - start - period
        repeats = 1 + length // period
        if repeats >= 3:
            return period, repeats
    return 1, 0
