"""PyTorch's ``torch.func``: functions of functions.

Source: https://docs.pytorch.org/docs/stable/func.api.html
"""

from flambeau.transforms.forward import jvp, linearize
from flambeau.transforms.jacobian import hessian, jacfwd, jacrev
from flambeau.transforms.reverse import grad, grad_and_value, vjp
from flambeau.transforms.vmap import vmap

__all__ = [
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "vjp",
    "vmap",
]
