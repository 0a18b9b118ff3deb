"""The Model Owner's routes, for its own people. They decode, delegate and encode."""

from fedtrain.model_owner.routes import (
    catalogue,
    changes,
    datasets,
    events,
    models,
    plans,
    predictions,
    requests,
    scoring,
)

ROUTERS = (
    models.router,
    plans.router,
    events.router,
    datasets.router,
    catalogue.router,
    requests.router,
    predictions.router,
    scoring.router,
    changes.router,
)

__all__ = ["ROUTERS"]
