"""The model spec: what a user writes, and what every party reads the same way.

Unknown fields are refused by name. Defaults are those of a job that a careful user would run.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    StrictStr,
    model_serializer,
    model_validator,
)

from fedtrain.spec.columns import (
    ARRAYS,
    NUMERIC,
    Category,
    Column,
    DataProps,
    DecimalMark,
    Feature,
    FeatureType,
    Strict,
    Target,
    ThousandsMark,
    category_text,
    plain_number,
    plain_text,
)
from fedtrain.spec.model_types import MODEL_KINDS, ModelKind
from fedtrain.spec.model_types.network import NeuralNetwork
from fedtrain.spec.model_types.ranges import Grid, Ranges, with_limits
from fedtrain.spec.network import Network
from fedtrain.spec.privacy import Privacy
from fedtrain.spec.training import Optimizer, Training

__all__ = [
    "ARRAYS",
    "MOST_SPEC_ITEMS",
    "NUMERIC",
    "Category",
    "Column",
    "DataProps",
    "DecimalMark",
    "Feature",
    "FeatureType",
    "ModelSpec",
    "ModelType",
    "Optimizer",
    "Privacy",
    "Strict",
    "Target",
    "ThousandsMark",
    "Training",
    "category_text",
    "plain_number",
    "plain_text",
]

#: What a spec asks for that names no dataset, and what an owner's own table is called.
DEFAULT_DATASET: Final = "default"
#: Values in the JSON of a spec: every column with every field, every category, and the training.
MOST_SPEC_ITEMS = 100_000
NETWORK_DEFAULTS: Final = {"optimizer": Optimizer.FEDAVG.value, "weights": "shared_with_owners"}

if TYPE_CHECKING:
    # A type checker wants the members that code names; there are as many as the registry has.
    class ModelType(StrEnum):
        LINEAR_REGRESSION = "LINEAR_REGRESSION"
        LOGISTIC_REGRESSION = "LOGISTIC_REGRESSION"
        NEURAL_NETWORK = "NEURAL_NETWORK"
        RANGES = "RANGES"
else:
    ModelType = StrEnum("ModelType", {name: name for name in MODEL_KINDS}, module=__name__)


def check_printable(text: str) -> str:
    """Raise ValueError for a control character, a line break or a mark that changes how other text is shown."""
    if not text.isprintable() or text != text.strip():
        raise ValueError("one line of printable text is needed, without spaces around it")
    return text


class ModelSpec(Strict):
    """The spec that `POST /models` takes.

    `name` and `purpose` are for people, at every party. They, `privacy`, `release`, `give_model` and `grid` are left
    out of what is signed where they are not given, so that owners which do not know the fields can take part.
    `release`: "sign_off" has the result open only once people of every owner have signed it off; None, once it is
    summed. `give_model`: "owners" gives a finished network to those that trained it. `auditors`: party ids that may
    read the job's evidence at the Facilitator, as its own parties may, and verify it. `network` and `grid`: of the one
    model type that has one.
    """

    spec_version: Literal[1] = 1
    model_type: ModelType
    dataset: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None = None
    data_props: DataProps
    training: Training = Training()
    network: Network | None = None
    grid: Grid | None = None
    privacy: Privacy | None = None
    release: Literal["sign_off"] | None = None
    give_model: Literal["owners"] | None = None
    auditors: Annotated[tuple[Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")], ...], Field(max_length=16)] = ()
    name: Annotated[StrictStr, Field(min_length=1, max_length=100), AfterValidator(check_printable)] | None = None
    purpose: Annotated[StrictStr, Field(min_length=1, max_length=1000), AfterValidator(check_printable)] | None = None

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        for name in ("name", "purpose", "network", "grid", "privacy", "release", "give_model"):
            if fields.get(name) is None:
                fields.pop(name, None)
        return fields

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_type(cls, given: Any) -> Any:
        """Defaults of networks and of ranges, so that what is signed says them."""
        if isinstance(given, dict) and given.get("model_type") == Ranges.name:
            return with_limits(given)
        if not isinstance(given, dict) or given.get("model_type") != NeuralNetwork.name:
            return given
        training = given.get("training", {})
        if isinstance(training, Training):
            training = training.model_dump(exclude_unset=True)
        return {**given, "training": {**NETWORK_DEFAULTS, **training}} if isinstance(training, dict) else given

    @model_validator(mode="after")
    def _fits_model(self) -> Self:
        targets = self.data_props.all_targets
        if not targets and self.kind.predicts:
            raise ValueError("data_props: give exactly one of target and targets")
        self.kind.check_targets(targets)
        self.kind.check_features(self.data_props.features)
        self.kind.check_training(self.training, targets, noised_steps=self.claims_gradients)
        if self.kind.has_network and self.network is None:
            raise ValueError(f"network: a {self.model_type} needs one: its layers, and the name of its output")
        if not self.kind.has_network and self.network is not None:
            raise ValueError(f"network: {self.model_type} has none: leave it out")
        if not self.kind.tells_thresholds and self.grid is not None:
            raise ValueError(f"grid: {self.model_type} asks about no bounds: leave it out")
        if not self.kind.has_network and self.give_model is not None:
            raise ValueError(
                f'give_model "{self.give_model}": networks are given, a {self.model_type} is not: leave it out'
            )
        if self.validates and len(self.kind.fitted(targets)) < len(targets):
            raise ValueError(f'training.l2: {self.model_type} weighs rows, and "auto" counts them: give a number')
        self._check_claim()
        if self.honest_owners > self.training.min_data_owners:
            raise ValueError(
                f"privacy.honest_owners {self.honest_owners} is above training.min_data_owners "
                f"{self.training.min_data_owners}: a claim cannot count on the noise of owners that may not take part"
            )
        return self

    def _check_claim(self) -> None:
        """Raise ValueError where a claim of privacy lacks what its kind of job needs, or has what the other kind's."""
        claim = self.privacy
        if claim is None:
            return
        if self.tells_gradients:
            if claim.row_bound is not None:
                raise ValueError(
                    f"privacy.row_bound {claim.row_bound:g}: a {self.model_type} is trained step by step, and clips "
                    "gradients to training.clip: leave it out"
                )
            if claim.sampling_rate is None:
                raise ValueError("privacy.sampling_rate: give the share of the records that a step draws, 0.01 or so")
        elif claim.sampling_rate is not None:
            raise ValueError(
                f"privacy.sampling_rate {claim.sampling_rate:g}: {self.model_type} tells sums over all records once, "
                "and samples none: leave it out"
            )
        elif claim.row_bound is None:
            raise ValueError("privacy.row_bound: give the length that a scaled row is clipped to, 2 or so")

    @property
    def kind(self) -> ModelKind:
        """The rules of its model type."""
        return MODEL_KINDS[self.model_type]

    @property
    def asked_dataset(self) -> str:
        """Name of the dataset that every owner is asked for."""
        return self.dataset or DEFAULT_DATASET

    @property
    def classifies(self) -> bool:
        """True where what is predicted has categories."""
        targets = self.data_props.all_targets
        return bool(targets) and targets[0].categories is not None

    @property
    def honest_owners(self) -> int:
        """Owners whose noise a privacy claim counts on."""
        if self.privacy is None or self.privacy.honest_owners is None:
            return max(1, self.training.min_data_owners - 1)
        return self.privacy.honest_owners

    @property
    def signs_off(self) -> bool:
        """Say whether the result opens only once people of every owner have signed it off: what opens in one round."""
        return self.release == "sign_off" and self.training.optimizer is Optimizer.NEWTON

    @property
    def awaits_release(self) -> bool:
        """Say whether others get the finished model only once people of every owner have signed it off.

        Its sums open round by round, so that this rests on the Model Owner's word.
        """
        return self.release == "sign_off" and not self.signs_off

    @property
    def self_masked(self) -> bool:
        """Say whether each answer carries a mask of its owner's own, told under a set that all in it have signed."""
        return self.training.goes_on or self.signs_off

    @property
    def shares_weights(self) -> bool:
        """True where owners see the weights, and answer with the true gradient of their rows."""
        return self.training.weights == "shared_with_owners"

    @property
    def tells_gradients(self) -> bool:
        """True where a claim of privacy is of gradients, step by step, and not of moments."""
        of_rows = self.shares_weights and self.kind.takes_privacy and self.kind.row_loss is not None
        return self.kind.has_network or of_rows

    @property
    def claims_gradients(self) -> bool:
        """True where owners tell gradients with noise, of a new sample in each round."""
        return self.privacy is not None and self.tells_gradients

    @property
    def keeps_examples(self) -> bool:
        """True where owners freeze the records themselves for a job, and no moments of them."""
        return self.kind.has_network or self.claims_gradients

    @property
    def validates(self) -> bool:
        """True where owners keep a part of their records for validation: to choose l2, or to evaluate by."""
        return self.training.l2 == "auto" or self.training.evaluate_every > 0

    @property
    def outputs(self) -> int:
        """k: columns of the weights; one a target, or for more than two classes one a class."""
        return self.kind.outputs(self.data_props.all_targets)
