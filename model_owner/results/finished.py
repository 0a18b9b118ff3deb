"""A job's finished model, in the hands of its method, and what people must know of it."""

from __future__ import annotations

from fedtrain.model_owner.job import JobState, TrainedModel
from fedtrain.model_owner.methods import method_of
from fedtrain.model_owner.results.fitted import Fitted
from fedtrain.model_owner.results.remarks import Remark, RemarkCode, remark


def fitted_of(state: JobState, model: TrainedModel) -> Fitted:
    """The job's model, as its method reads it."""
    return method_of(state.spec).fitted(state.spec, model)


def remarks_on(state: JobState, model: TrainedModel | None) -> tuple[Remark, ...]:
    """Return what people must know of a finished model: how training ended, what its numbers are, what it found."""
    ending = state.ending
    if model is None or ending is None:
        return ()
    stopped = (remark(RemarkCode.NOT_CONVERGED, why=ending.reason),) if ending.converged is False else ()
    return (*stopped, *fitted_of(state, model).remarks())
