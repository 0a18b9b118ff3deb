"""The Facilitator's routes: decode, delegate, encode."""

from fedtrain.facilitator.routes.changes import router as changes
from fedtrain.facilitator.routes.data_owners import router as data_owners
from fedtrain.facilitator.routes.datasets import router as datasets
from fedtrain.facilitator.routes.federation import router as federation
from fedtrain.facilitator.routes.models import router as models
from fedtrain.facilitator.routes.requests import router as requests
from fedtrain.facilitator.routes.tasks import router as tasks

ROUTERS = (federation, data_owners, datasets, models, tasks, requests, changes)

__all__ = ["ROUTERS"]
