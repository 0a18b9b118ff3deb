"""A torch.nn.Module trained across owners that are all in this process: the services' own code, without ports."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow.parquet import write_table

from fedtrain.client.session import progress_bar
from fedtrain.neural.worker_process import WorkerProcess
from fedtrain.simulation.arrays_given import Records, inputs_of, records_of
from fedtrain.simulation.whole_job import run_whole_job
from fedtrain.spec.model_spec import category_text

if TYPE_CHECKING:
    import torch

_BEGIN = "begin.safetensors"
_PARTIES = ("facilitator", "model-owner", "tables")


class FederatedNetwork:
    """Trains a module of PyTorch on records of several owners, with every update encrypted, masked and added up.

    `training`: fields of a model spec's `training`, such as rounds, local_epochs, learning_rate and clip. Targets that
    are texts, whole numbers or truth values are categories: more than two need one score each, two need one. Others
    are numbers to come near to.
    """

    def __init__(self, module: torch.nn.Module, *, show_progress: bool = True, **training: Any) -> None:
        self.module = module
        self.show_progress = show_progress
        self.training = training

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.training.items())
        return f"FederatedNetwork({type(self.module).__name__}{given})"

    def fit(self, owners: Mapping[str, Any]) -> Self:
        """Train from the module's own weights, and leave those that were found in it.

        `owners`: each one's records by its name, a pair (X, y) of arrays, tensors or frames, or a torch Dataset; see
        `fedtrain.split_among`. Sets model_, what is known of the job, history_, its rounds, and classes_ for
        categories, or scale_, (targets,), for numbers. Raises ValueError for records, or for a layer that has no
        place, or weights that no layer trains alone, Problem and JobEnded.
        """
        from fedtrain.neural.tracing import from_module
        from fedtrain.neural.weights_file import weights_from_bytes, weights_to_bytes

        if not owners:
            raise ValueError("there are no owners: give at least one by its name")
        records = {name: _named(name, given, takes_ids=self._takes_ids()) for name, given in owners.items()}
        first = _alike(records)
        label = _label(self.module)
        traced = from_module(self.module, {label: first.X[:1]})
        _check_weights(self.module, traced.weights)
        spec = _spec_of(records, label, _ids_of(traced.network, label))
        self.classes_ = _classes(records) if first.classifies else None
        if not first.classifies:
            ends = [target["range"] for target in spec["data_props"]["targets"]]
            self.scale_ = np.array([(high - low) / 2 for low, high in ends])
        network = traced.network.checked({label: first.X.shape[1:]}, _outputs(first, self.classes_))
        spec |= {"network": network.network.model_dump(mode="json")}
        spec["training"] |= {"initial_weights": _BEGIN, **self.training}
        with tempfile.TemporaryDirectory(prefix="fedtrain-") as place, self._progress() as show:
            begin = Path(place, "model-owner", "data", _BEGIN)
            begin.parent.mkdir(parents=True)
            begin.write_bytes(weights_to_bytes(network, traced.weights))
            Path(place, "tables").mkdir()
            tables = {
                name: _written(one, Path(place, "tables", f"{name}.parquet"), label) for name, one in records.items()
            }
            with closing(WorkerProcess()) as worker:  # one for all: each would take some 250 MB
                outcome = run_whole_job(Path(place), spec, tables, export=["safetensors"], show=show, trainer=worker)
        self.model_, self.history_ = outcome.model, outcome.model["history"]
        _give(self.module, weights_from_bytes(outcome.files["safetensors"], network))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """(rows,) the likeliest categories, or (rows,) or (rows, targets) numbers."""
        scores = self._scores(X)
        if self.classes_ is None:
            found: NDArray[np.float64] = scores * self.scale_
            return found[:, 0] if found.shape[1] == 1 else found
        likeliest = (scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[likeliest])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(rows, categories) probabilities, in the order of classes_. Raises ValueError where targets are numbers."""
        scores = self._scores(X)
        if self.classes_ is None:
            raise ValueError("targets are numbers, which have no probabilities: use predict")
        if scores.shape[1] == 1:
            scores = np.column_stack([np.zeros(len(scores)), scores])
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the share of records whose category is predicted, or for numbers R², averaged over the targets.

        `X` may be a torch Dataset, without `y`.
        """
        records = records_of(X if y is None else (X, y))
        found = self.predict(records.X)
        if self.classes_ is not None:
            return float(np.mean(_texts(found) == _texts(records.Y[:, 0])))
        actual = records.Y.astype(np.float64)
        spread = np.square(actual - actual.mean(axis=0)).sum(axis=0)
        return float(np.mean(1 - np.square(actual - found.reshape(actual.shape)).sum(axis=0) / spread))

    def _scores(self, X: Any) -> NDArray[np.float64]:
        import torch

        if not hasattr(self, "model_"):
            raise ValueError("this network is not trained: call fit() first")
        self.module.eval()
        with torch.inference_mode():
            scores = self.module(torch.from_numpy(inputs_of(X, takes_ids=self._takes_ids())))
        return np.asarray(scores.reshape(len(scores), -1).double().numpy())

    def _takes_ids(self) -> bool:
        return any(type(layer).__name__ == "Embedding" for layer in self.module.modules())

    def _progress(self) -> Any:
        return progress_bar(f"{type(self.module).__name__}", shown=self.show_progress)


def _named(name: str, given: Any, *, takes_ids: bool) -> Records:
    if name in _PARTIES:
        raise ValueError(f"{name}: that is the name of another party: take another one")
    try:
        records = records_of(given)
        return replace(records, X=inputs_of(records.X, takes_ids=takes_ids))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _alike(records: Mapping[str, Records]) -> Records:
    """Return the first owner's records. Raises ValueError where another's have another form."""
    (name, first), *others = records.items()
    for other, one in others:
        if one.X.shape[1:] != first.X.shape[1:] or one.X.dtype != first.X.dtype:
            raise ValueError(
                f"{other}: its records are {one.X.dtype} {one.X.shape[1:]}, those of {name} {first.X.dtype} "
                f"{first.X.shape[1:]}"
            )
        if one.classifies != first.classifies or one.Y.shape[1] != first.Y.shape[1]:
            raise ValueError(f"{other}: its targets are of another kind than those of {name}")
    if first.classifies and first.Y.shape[1] > 1:
        raise ValueError(f"{name}: y has {first.Y.shape[1]} columns of categories: give one")
    return first


def _label(module: torch.nn.Module) -> str:
    """A name for the features that no layer has."""
    taken, label = {name.partition(".")[0] for name, _ in module.named_modules()}, "x"
    while label in taken:
        label += "_"
    return label


def _check_weights(module: torch.nn.Module, traced: Mapping[str, object]) -> None:
    """Check, before anything is trained, that what is found will fit into the module.

    Raises ValueError, which names them, for weights and buffers of no layer that is used, and for tied weights.
    """
    unused = sorted(set(module.state_dict()) - set(traced))
    if unused:
        raise ValueError(f"{', '.join(unused)}: forward uses no layer that has them, so that nothing trains them")
    places: dict[int, str] = {}
    for name, weights in module.named_parameters(remove_duplicate=False):
        first = places.setdefault(weights.data_ptr(), name)
        if first != name:
            raise ValueError(f"{first} and {name} are the same weights: each layer has its own here")


def _ids_of(network: Any, label: str) -> int | None:
    """Return the number of ids of the layer that takes the features; None where they are no ids."""
    taken = [layer.num_embeddings for layer in network.layers if layer.type == "Embedding" and label in layer.inputs]
    return min(taken, default=None)


def _classes(records: Mapping[str, Records]) -> NDArray[Any]:
    return np.unique(np.concatenate([one.Y[:, 0] for one in records.values()]))


def _outputs(records: Records, classes: NDArray[Any] | None) -> int:
    if classes is None:
        return int(records.Y.shape[1])
    return len(classes) if len(classes) > 2 else 1


def _spec_of(records: Mapping[str, Records], label: str, ids: int | None) -> dict[str, Any]:
    X = [one.X for one in records.values()]
    feature: dict[str, Any] = {"name": label, "type": "vector", "shape": list(X[0].shape[1:])}
    feature |= {"range": _range([values.reshape(-1) for values in X])} if ids is None else {"vocabulary": ids}
    (first, *_) = records.values()
    if first.classifies:
        targets = [{"name": "y0", "categories": _classes(records).tolist()}]
    else:
        columns = range(first.Y.shape[1])
        targets = [{"name": f"y{at}", "range": _range([one.Y[:, at] for one in records.values()])} for at in columns]
    training = {
        "scaling": "none",
        "min_data_owners": len(records),
        "max_data_owners": len(records),
        "max_rows": max(len(values) for values in X),
    }
    return {
        "model_type": "NEURAL_NETWORK",
        "data_props": {"features": [feature], "targets": targets},
        "training": training,
    }


def _range(values: list[NDArray[Any]]) -> list[float]:
    low, high = min(float(one.min()) for one in values), max(float(one.max()) for one in values)
    return [low, high] if low < high else [low - 1, high + 1]


def _written(records: Records, place: Path, label: str) -> Path:
    flat = records.X.reshape(len(records.X), -1)
    columns: dict[str, Any] = {
        label: pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat.ravel()), flat.shape[1])
    }
    columns |= {f"y{at}": pyarrow.array(column.tolist()) for at, column in enumerate(records.Y.T)}
    # As it is: what compresses well is refused where it is read, as what would fill the memory.
    write_table(pyarrow.table(columns), place, compression="none", use_dictionary=False)
    return place


def _give(module: torch.nn.Module, weights: Mapping[str, NDArray[np.float32]]) -> None:
    import torch

    module.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in weights.items()})


def _texts(values: NDArray[Any]) -> NDArray[np.str_]:
    return np.array([category_text(value) for value in values.tolist()])
