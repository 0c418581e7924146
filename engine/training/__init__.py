"""Training: one phase at a time, each addressed by the hash of what decides its weights."""

from engine.training.spec import PHASES, Phase, TrainingSettings, TrainingSpec

__all__ = ["PHASES", "Phase", "TrainingSettings", "TrainingSpec"]
