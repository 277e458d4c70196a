"""Objective = data × loss × penalty: what a solver minimises."""

from fastsoftmax._engine.objective.loss import Loss, loss_of
from fastsoftmax._engine.objective.models import Models
from fastsoftmax._engine.objective.objective import Objective
from fastsoftmax._engine.objective.observations import Observations
from fastsoftmax._engine.objective.penalty import Penalised, Penalty
from fastsoftmax._engine.objective.separation import has_minimiser, separates
from fastsoftmax._engine.objective.start import start_of
from fastsoftmax._engine.objective.warm_start import WarmStart

__all__ = [
    "Loss",
    "Models",
    "Objective",
    "Observations",
    "Penalised",
    "Penalty",
    "WarmStart",
    "has_minimiser",
    "loss_of",
    "separates",
    "start_of",
]
