"""Gains of training a network federated, as examples/comparison.py has it for other models.

An example's compare.py names its folder. The same network is trained by PyTorch, by the schedule of model.json, from
the same weights to begin with: on the owners' rows apart and averaged, without encryption; on all of them in one place;
and on each owner's alone. Nothing of the federated system runs here: it is what the system is held against.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from comparison import Row, class_scores, read_spec, reported_rows, show
from numpy.typing import NDArray

from fedtrain.methods.network.plan import network_plan
from fedtrain.methods.network.settings import server_settings
from fedtrain.model_owner.methods.network.server_optimizer import ADAPTIVITY, SECOND_DECAY
from fedtrain.neural.initial import initial_weights
from fedtrain.neural.losses import losses
from fedtrain.neural.module import build, features_of
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.training import LocalOptimizer, ServerOptimizer
from fedtrain.tabular import Encoder, open_declared_table


@dataclass(frozen=True)
class Records:
    """One table, encoded. X: (rows, numbers of a record), Y: (rows, outputs), both float32. y: (rows,) class codes."""

    X: NDArray[np.float32]
    Y: NDArray[np.float32]

    @property
    def y(self) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self.Y.argmax(1) if self.Y.shape[1] > 1 else self.Y[:, 0].astype(np.int64)
        return found


def read_records(path: Path, spec: ModelSpec) -> Records:
    """Encode one table. Raises TableError where it does not fit the declaration."""
    encoder = Encoder.of_spec(spec)
    table = open_declared_table(path, spec.data_props)
    batches = list(encoder.encode_all(table.batches(encoder.columns)))
    parts = ([batch.X for batch in batches], [batch.Y for batch in batches])
    return Records(*(np.concatenate(part).astype(np.float32) for part in parts))


def joined(parts: Iterable[Records]) -> Records:
    """The rows of several tables in one."""
    parts = list(parts)
    return Records(np.concatenate([one.X for one in parts]), np.concatenate([one.Y for one in parts]))


class Schedule:
    """The schedule of a spec: rounds of local training, whose clipped updates are averaged by their rows."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec, self.plan = spec, network_plan(spec)
        self.local, self.server = self.plan.local, server_settings(spec.training)
        torch.set_num_threads(1)

    def trained(self, owners: Sequence[Records], rounds: int | None = None) -> torch.nn.Module:
        """Return the network after `rounds`, by default those of the spec. Draws are of the spec's seed."""
        seed = self.spec.training.seed or 0
        torch.manual_seed(seed)
        module = build(self.plan.checked, initial_weights(self.plan.checked, seed))
        state = [parameter.detach().clone() for parameter in module.parameters()]
        first, second = ([torch.zeros_like(one) for one in state] for _ in range(2))
        total = sum(len(owner.X) for owner in owners)
        for _ in range(rounds or self.plan_rounds):
            mean = [torch.zeros_like(one) for one in state]
            for owner in owners:
                for sum_, change in zip(mean, self._update(module, state, owner), strict=True):
                    sum_.add_(change, alpha=len(owner.X) / total)
            for one, *moments, change in zip(state, first, second, mean, strict=True):
                one.add_(self.along(*moments, change), alpha=self.server.learning_rate)
        _put(module, state)
        return module.eval()

    def along(self, first: torch.Tensor, second: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """Return the direction of the server's step along the mean update; both moments are carried on."""
        decay = self.server.momentum
        match self.server.optimizer:
            case ServerOptimizer.AVERAGE:
                return mean
            case ServerOptimizer.MOMENTUM:
                return first.mul_(decay).add_(mean)
            case ServerOptimizer.ADAM:
                first.mul_(decay).add_(mean, alpha=1 - decay)
                second.mul_(SECOND_DECAY).addcmul_(mean, mean, value=1 - SECOND_DECAY)
                return first / (second.sqrt() + ADAPTIVITY)

    @property
    def plan_rounds(self) -> int:
        """Rounds that the spec gives; examples give them."""
        rounds = self.spec.training.rounds
        if rounds == "auto":
            raise ValueError("an example gives its rounds")
        return rounds

    def _update(self, module: torch.nn.Module, state: list[torch.Tensor], owner: Records) -> list[torch.Tensor]:
        """Return what an owner's turn changes, clipped."""
        _put(module, state)
        rate, size = self.local.learning_rate, self.local.batch_size or len(owner.X)
        kind = torch.optim.Adam if self.local.optimizer is LocalOptimizer.ADAM else torch.optim.SGD
        optimizer, per_epoch = kind(module.parameters(), lr=rate), -(-len(owner.X) // size)
        steps = self.local.steps or max(1, int((self.local.epochs or 1.0) * per_epoch + 0.5))
        order = torch.cat([torch.randperm(len(owner.X)) for _ in range(-(-steps // per_epoch))])
        batches = [rows for epoch in order.split(len(owner.X)) for rows in epoch.split(size)][:steps]
        module.train()
        for rows in batches:
            optimizer.zero_grad()
            scores = module(*features_of(self.plan.checked, owner.X[rows.numpy()]))
            losses(self.local.loss, scores, torch.from_numpy(owner.Y[rows.numpy()])).mean().backward()
            for parameter, start in zip(module.parameters(), state, strict=True):
                parameter.grad.add_(parameter.detach() - start, alpha=self.local.proximal)
            optimizer.step()
        change = [after.detach() - before for after, before in zip(module.parameters(), state, strict=True)]
        norm = float(torch.sqrt(sum((one.double() ** 2).sum() for one in change)))
        return [one * min(1.0, self.local.clip / norm) if norm else one for one in change]

    def scores(self, module: torch.nn.Module, test: Records) -> dict[str, float]:
        """log loss, accuracy and AUC on the test rows."""
        with torch.inference_mode():
            logits = module(*features_of(self.plan.checked, test.X)).double()
        if logits.shape[1] > 1:
            found = torch.softmax(logits, 1).numpy()
        else:
            positive = torch.sigmoid(logits)
            found = torch.hstack([1 - positive, positive]).numpy()
        return class_scores(found, test.y.astype(np.float64))


def _put(module: torch.nn.Module, state: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for parameter, values in zip(module.parameters(), state, strict=True):
            parameter.copy_(values)


def compare(example: Path, folder: Path, prediction: Mapping[str, Any] | None, spec: ModelSpec | None = None) -> Row:
    """The table, best single owner last: {"rows", "cost", "test_rows", "table": [{"trained", "rows", …measures}]}.

    `rows` and `cost` are those of the network trained on all owners' rows together.
    """
    spec = spec or read_spec(example)
    tables = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in (".csv", ".parquet")}
    test = read_records(tables.pop("test"), spec)
    owners = {name: read_records(path, spec) for name, path in tables.items()}
    kept = reported_rows(prediction, len(test.y))
    seen, schedule, pooled = Records(test.X[kept], test.Y[kept]), Schedule(spec), joined(owners.values())
    table: list[Row] = []
    if prediction is not None:
        measures = _federated(prediction, test, kept)
        table.append({"trained": "federated", "rows": len(pooled.X), **measures})
    averaged = schedule.scores(schedule.trained(list(owners.values())), seen)
    table.append({"trained": "the same, not encrypted", "rows": len(pooled.X), **averaged})
    whole = schedule.scores(schedule.trained([pooled]), seen)
    table.append({"trained": "pooled", "rows": len(pooled.X), **whole})
    alone = {name: schedule.scores(schedule.trained([records]), seen) for name, records in owners.items()}
    best = max(alone, key=lambda name: alone[name]["accuracy"])
    table.append({"trained": f"best single owner ({best})", "rows": len(owners[best].X), **alone[best]})
    return {"rows": len(pooled.X), "cost": whole["log_loss"], "test_rows": len(kept), "table": table}


def _federated(prediction: Mapping[str, Any], test: Records, rows: Any) -> dict[str, float]:
    values = np.array(prediction["values"], dtype=np.float64)[rows]
    found = np.column_stack([1 - values, values]) if values.ndim == 1 else values
    return class_scores(found, test.y[rows].astype(np.float64))


def main(example: Path, description: str) -> None:
    """The command line of a network's compare.py."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path, help="where make_data.py wrote its files")
    parser.add_argument("--prediction", type=Path, help="what GET /prediction answered, a JSON file")
    parser.add_argument("--json", action="store_true", help="print everything, as JSON")
    arguments = parser.parse_args()
    prediction = None if arguments.prediction is None else json.loads(arguments.prediction.read_text())
    found = compare(example, arguments.folder, prediction)
    if arguments.json:
        print(json.dumps(found))
    else:
        show(found)
