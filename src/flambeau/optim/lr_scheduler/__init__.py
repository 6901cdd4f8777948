"""PyTorch's ``torch.optim.lr_scheduler``: learning rates that change in the course of training.

Source: https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
"""

from flambeau.optim.lr_scheduler.combined import ChainedScheduler, SequentialLR
from flambeau.optim.lr_scheduler.cosine_annealing_lr import CosineAnnealingLR
from flambeau.optim.lr_scheduler.cosine_warm_restarts import CosineAnnealingWarmRestarts
from flambeau.optim.lr_scheduler.cyclic_lr import CyclicLR
from flambeau.optim.lr_scheduler.exponential_lr import ExponentialLR
from flambeau.optim.lr_scheduler.lambda_lr import LambdaLR, MultiplicativeLR
from flambeau.optim.lr_scheduler.multi_step_lr import MultiStepLR
from flambeau.optim.lr_scheduler.one_cycle_lr import OneCycleLR
from flambeau.optim.lr_scheduler.reduce_on_plateau import ReduceLROnPlateau
from flambeau.optim.lr_scheduler.scheduler import LRScheduler
from flambeau.optim.lr_scheduler.step_lr import StepLR
from flambeau.optim.lr_scheduler.warmup import ConstantLR, LinearLR, PolynomialLR

_LRScheduler = LRScheduler  # its name before PyTorch 2.0, of which programs derive their schedules

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
