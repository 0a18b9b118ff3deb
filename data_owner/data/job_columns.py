"""A job's columns among all that its dataset has, which is encoded as a whole once a version. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from fedtrain.data_owner.data.encoding import by_position, encoding_hash, in_roles
from fedtrain.data_owner.methods.answers import Places
from fedtrain.data_owner.store.records import Dataset
from fedtrain.spec.model_spec import DataProps, ModelSpec
from fedtrain.tabular.columns import Codec
from fedtrain.tabular.encode import Encoder


def declared(dataset: Dataset, spec: ModelSpec) -> DataProps:
    """Return what a dataset declares or, where that is nothing yet, the job."""
    return dataset.schema_ or spec.data_props


def encoding_of(dataset: Dataset, spec: ModelSpec) -> str:
    """Return the hash of what is declared of a dataset and its mapping: as its `SummedTable` has it."""
    return encoding_hash(declared(dataset, spec), dataset.mapping)


def encoder_of(dataset: Dataset, spec: ModelSpec) -> Encoder:
    """Return the encoder of all columns of a dataset that a job of this kind can have, in the roles that it gives them.

    Raises TableError where the job's columns are not there, ValueError for one that can be no target.
    """
    props = _of_kind(in_roles(declared(dataset, spec), spec.data_props, dataset.columns), spec)
    return Encoder(props, spec.model_type, spec.training.scaling)


def places_of(dataset: Dataset, spec: ModelSpec) -> Places:
    """Return where in X and Y of `encoder_of` a job's columns, in its order and the intercept last, and outputs are.

    Raises as `encoder_of`.
    """
    encoder = encoder_of(dataset, spec)
    in_file, used = (list(by_position(dataset.columns, props)) for props in (encoder.props, spec.data_props))
    features = len(spec.data_props.features)
    of_features = _spans(encoder.features, in_file[: len(encoder.features)])
    of_targets = _spans(encoder.targets, in_file[len(encoder.features) :])
    chosen = [index for place in used[:features] for index in of_features[place]]
    targets = [index for place in used[features:] for index in of_targets[place]]
    # The targets that only weigh rows come last, and are no columns of Y.
    outputs = [index for index in targets if index < encoder.outputs]
    return Places([*chosen, encoder.dimensions - 1], outputs, encoding_hash(encoder.props, dataset.mapping))


def _of_kind(schema: DataProps, spec: ModelSpec) -> DataProps:
    """The schema with those of its features and targets that this model type can have.

    The targets are those of the job where some weigh rows, and where it has none.
    """
    targets = spec.data_props.all_targets
    if spec.kind.predicts and len(spec.kind.fitted(targets)) == len(targets):
        classifies = spec.kind.classifies
        targets = tuple(target for target in schema.all_targets if (target.categories is not None) == classifies)
    return DataProps(
        header=schema.header,
        decimal=schema.decimal,
        thousands=schema.thousands,
        features=tuple(one for one in schema.features if spec.kind.takes(one)),
        targets=targets or None,
    )


def _spans(codecs: Sequence[Codec], places: Sequence[int]) -> dict[int, range]:
    """The encoded columns of each column of the file, one codec a place."""
    ends = list(accumulate(len(codec.names) for codec in codecs))
    return dict(zip(places, map(range, [0, *ends], ends), strict=True))
