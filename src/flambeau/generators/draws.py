"""Every distribution a stream can be drawn from.

Each function takes a stream first, holds its lock, and returns a new NumPy array whose values and whose use of the
stream are those of PyTorch's CPU generator.
"""

from flambeau.generators.categorical import bernoulli, multinomial
from flambeau.generators.continuous import cauchy, exponential, geometric, log_normal
from flambeau.generators.counts import binomial, poisson
from flambeau.generators.integers import integers, unbounded_integers
from flambeau.generators.normal import normal, normal_like
from flambeau.generators.permutations import permutation
from flambeau.generators.uniform import uniform

__all__ = [
    "bernoulli",
    "binomial",
    "cauchy",
    "exponential",
    "geometric",
    "integers",
    "log_normal",
    "multinomial",
    "normal",
    "normal_like",
    "permutation",
    "poisson",
    "unbounded_integers",
    "uniform",
]
