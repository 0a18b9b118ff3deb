"""The Model Owner's store of jobs, models, test sets and predictions."""

from fedtrain.model_owner.store.records import Dataset, Prediction
from fedtrain.model_owner.store.sql import ModelStore

__all__ = ["Dataset", "ModelStore", "Prediction"]
