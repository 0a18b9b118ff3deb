"""The Model Owner from Python, for scripts and notebooks: deploy, wait, predict, and estimators like scikit-learn's."""

from model_owner.client.estimators import FederatedLinearRegression, FederatedLogisticRegression
from model_owner.client.session import JobEnded, ModelOwner, RemarkWarning

__all__ = ["FederatedLinearRegression", "FederatedLogisticRegression", "JobEnded", "ModelOwner", "RemarkWarning"]
