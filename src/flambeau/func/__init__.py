"""PyTorch's ``torch.func``: functions of functions, and modules as functions.

Source: https://docs.pytorch.org/docs/stable/func.api.html
"""

from flambeau.func.modules import functional_call, replace_all_batch_norm_modules_, stack_module_state
from flambeau.func.rearranging import rearrange
from flambeau.transforms.forward import jvp, linearize
from flambeau.transforms.jacobian import hessian, jacfwd, jacrev
from flambeau.transforms.passing import debug_unwrap, functionalize
from flambeau.transforms.reverse import grad, grad_and_value, vjp
from flambeau.transforms.vmap import vmap

__all__ = [
    "debug_unwrap",
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "rearrange",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]
