"""For tests: compare tensors, and watch what is compiled.

Source: https://docs.pytorch.org/docs/stable/testing.html
"""

from flambeau.testing.comparison import assert_close
from flambeau.testing.watching import compilations

__all__ = ["assert_close", "compilations"]
