"""Where the Model Owner keeps its jobs, models, test sets and predictions: one contract, and its implementations."""

from fedtrain.model_owner.store.contract import Dataset, ModelStore, Prediction
from fedtrain.model_owner.store.sql import SqlStore

__all__ = ["Dataset", "ModelStore", "Prediction", "SqlStore"]
