"""Networks at work: what is asked of a local training, and what comes of it. PyTorch is imported only where it runs."""

from fedtrain.neural.tasks import (
    EvaluationResult,
    EvaluationTask,
    ExamplesPart,
    GradientSource,
    GradientTask,
    LocalSettings,
    Part,
    Progress,
    SampledGradients,
    ScoresTask,
    Trainer,
    TrainingResult,
    TrainingTask,
    Weights,
)

__all__ = [
    "EvaluationResult",
    "EvaluationTask",
    "ExamplesPart",
    "GradientSource",
    "GradientTask",
    "LocalSettings",
    "Part",
    "Progress",
    "SampledGradients",
    "ScoresTask",
    "Trainer",
    "TrainingResult",
    "TrainingTask",
    "Weights",
]
