"""Routes for a Data Owner's own people."""

from fedtrain.data_owner.routes.audit import router as audit
from fedtrain.data_owner.routes.budget import router as budget
from fedtrain.data_owner.routes.consents import router as consents
from fedtrain.data_owner.routes.datasets.cards import router as cards
from fedtrain.data_owner.routes.datasets.contents import router as contents
from fedtrain.data_owner.routes.datasets.queried import router as queried
from fedtrain.data_owner.routes.datasets.registered import router as registered
from fedtrain.data_owner.routes.given_models import router as given_models
from fedtrain.data_owner.routes.models import router as models
from fedtrain.data_owner.routes.requests import router as requests
from fedtrain.data_owner.routes.scores import router as scores
from fedtrain.data_owner.routes.sign_offs import router as sign_offs

ROUTERS = (
    registered,
    queried,
    cards,
    contents,
    models,
    requests,
    sign_offs,
    consents,
    audit,
    budget,
    scores,
    given_models,
)

__all__ = ["ROUTERS"]
