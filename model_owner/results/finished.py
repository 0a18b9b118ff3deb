"""A job's finished model, in the hands of its method, and what people must know of it."""

from __future__ import annotations

from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.methods import method_of
from fedtrain.model_owner.results.fitted import Fitted, TrainedModel
from fedtrain.model_owner.results.remarks import Remark, RemarkCode, remark
from fedtrain.planning.noise_cost import noise_cost


def fitted_of(state: JobState, model: TrainedModel) -> Fitted:
    """The job's model, as its method reads it."""
    return method_of(state.spec).fitted(state.spec, model)


def remarks_on(state: JobState, model: TrainedModel | None) -> tuple[Remark, ...]:
    """Return what people must know of a job before it trains, and of a finished model: how training ended, what its
    numbers are, what it found.
    """
    ending = state.ending
    if ending is None:
        return _remarks_before(state)
    if model is None:
        return ()
    stopped = (remark(RemarkCode.NOT_CONVERGED, why=ending.reason),) if ending.converged is False else ()
    return (*stopped, *fitted_of(state, model).remarks())


def _remarks_before(state: JobState) -> tuple[Remark, ...]:
    """Say whether the rows carry the noise or, as long as N is not known, how many it takes at least."""
    owners = state.spec.training.min_data_owners
    cost = noise_cost(state.spec, owners, state.rows_total or 1)
    if cost is None:
        return ()
    if state.rows_total is None:
        code = RemarkCode.NOISE_TAKES_ROWS
        return (remark(code, epsilon=cost.epsilon, delta=cost.delta, least=cost.least_rows, owners=owners),)
    if cost.dominates:
        return (remark(RemarkCode.NOISE_DOMINATES, error=cost.least_error, rows=state.rows_total),)
    return ()
