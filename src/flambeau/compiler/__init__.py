"""``torch.compiler``: what belongs to ``torch.compile``."""

from flambeau.compiler.compiling import compile
from flambeau.compiler.optimized_module import OptimizedModule
from flambeau.compiler.steering import (
    allow_in_graph,
    cudagraph_mark_step_begin,
    disable,
    is_compiling,
    is_dynamo_compiling,
    is_exporting,
    list_backends,
    reset,
)

__all__ = [
    "OptimizedModule",
    "allow_in_graph",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
]
