"""Modules: what models are made of."""

from flambeau.nn import attention, functional, init, modules, parallel, utils
from flambeau.nn.modules import *  # noqa: F403  # all of its names, which it lists
from flambeau.nn.parallel import DataParallel
from flambeau.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "functional",
    "init",
    "parallel",
    "utils",
]
__all__ += modules.__all__
