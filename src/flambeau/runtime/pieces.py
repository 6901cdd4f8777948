"""Long graphs run in pieces that share programs: XLA's compile time grows faster than its programs.

A Python loop records the same operations over and over. The pieces are cut at whole periods of that repetition, so
that one compiled piece serves them all.
"""

from typing import Any

import numpy as np

from flambeau.base.config import config
from flambeau.graph.node import Node

__all__ = ["pieces"]

_LONGEST_PERIOD = 512
_NEAR = 128


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
    """One number a node, equal for nodes of the same operation wired alike (how far back each near input lies)."""
    known: dict[Any, int] = {}
    tokens = np.empty(len(nodes), np.int64)
    for place, node in enumerate(nodes):
        node.index = place
    for place, node in enumerate(nodes):
        wiring = [node.operation.serial if node.operation else 0]
        for item in node.inputs:
            if type(item) is Node:
                distance = place - item.index if item.value is None else _NEAR
                wiring.append(distance if distance < _NEAR else _NEAR)
        tokens[place] = known.setdefault(tuple(wiring), len(known))
    for node in nodes:
        node.index = 0
    return tokens


def _repetition(tokens: Any, start: int) -> tuple[int, int]:
    """Shortest period that repeats at least three times from ``start``, and how often it does."""
    window = tokens[start + 1 : start + 1 + _LONGEST_PERIOD]
    for offset in np.flatnonzero(window == tokens[start]):
        period = int(offset) + 1
        second = tokens[start + period : start + 2 * period]
        if len(second) < period or not np.array_equal(tokens[start : start + period], second):
            continue
        ahead = tokens[start + period :] == tokens[start:-period]
        broken = np.flatnonzero(~ahead)
        length = int(broken[0]) if len(broken) else len(ahead)
        repeats = 1 + length // period
        if repeats >= 3:
            return period, repeats
    return 1, 0
