"""Accuracy of DP-SGD over three owners against Opacus' in one place, at the same ε, δ, clip, rounds and sampling.

python -m benchmarks.private_training [--data digits|mnist] [--seeds 3] [--epsilon 3] [--rounds N] [--quick] [--json]

On scikit-learn's digits, by the network and the spec of examples/privacy/digits.json, or on the 5,000 digits of
examples/mnist, dealt at random, by a network of 26,010 weights whose convolutions are those of Opacus' own example for
MNIST: with the noise of all three owners counted honest, with one that may collude, and with noise that each owner adds
for itself alone. What owners and Model Owner compute is their own code, without the encryption in between, which adds
up exactly. Opacus is no dependency: `pip install opacus`. ε is by the plan's accountant and by Opacus', for the same
steps. `--quick`: with all owners honest alone. `--rounds`: in the place of the spec's.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from fedtrain.methods.network.private import PrivateNetworkPlan
from fedtrain.neural.initial import initial_weights
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
EXAMPLE = EXAMPLES / "privacy"
sys.path.insert(0, str(EXAMPLE))
#: Owners whose noise a claim counts on, of three, and what that is called.
COUNTED = {3: "all owners honest", 2: "one may collude", 1: "each for itself alone"}


@dataclass(frozen=True)
class Data:
    """A spec, its tables (the test set first) as they are written into a folder, and its network in PyTorch's words."""

    document: dict[str, Any]
    write: Callable[[Path], list[Path]]
    module: Callable[[], nn.Module]


def digits() -> Data:
    """Return scikit-learn's digits."""
    steps: Any = importlib.import_module("digits_steps")
    document = json.loads((EXAMPLE / "digits.json").read_text())

    def module() -> nn.Module:
        return nn.Sequential(nn.Linear(64, 24), nn.Tanh(), nn.Linear(24, 10))

    return Data(document, steps.write_digits, module)


def mnist() -> Data:
    """Return MNIST's, 4,000 at three owners who have all digits, and 1,000 as the test set."""
    source = importlib.util.spec_from_file_location("mnist_data", EXAMPLES / "mnist" / "make_data.py")
    if source is None or source.loader is None:
        raise FileNotFoundError("examples/mnist/make_data.py is not there")
    made: Any = importlib.util.module_from_spec(source)
    source.loader.exec_module(made)
    layers: list[dict[str, Any]] = [
        {
            **{"name": "conv1", "type": "Conv2d", "in_channels": 1, "out_channels": 16},
            **{"kernel_size": 8, "stride": 2, "padding": 3},
        },
        {"name": "tanh1", "type": "Tanh"},
        {"name": "pool1", "type": "MaxPool2d", "kernel_size": 2, "stride": 1},
        {"name": "conv2", "type": "Conv2d", "in_channels": 16, "out_channels": 32, "kernel_size": 4, "stride": 2},
        {"name": "tanh2", "type": "Tanh"},
        {"name": "pool2", "type": "MaxPool2d", "kernel_size": 2, "stride": 1},
        {"name": "flat", "type": "Flatten"},
        {"name": "fc1", "type": "Linear", "in_features": 512, "out_features": 32},
        {"name": "tanh3", "type": "Tanh"},
        {"name": "fc2", "type": "Linear", "in_features": 32, "out_features": 10},
    ]
    names = ["pixels", *(layer["name"] for layer in layers)]
    chained = [{**layer, "inputs": [before]} for layer, before in zip(layers, names, strict=False)]
    of_digits = json.loads((EXAMPLE / "digits.json").read_text())
    document = {
        "model_type": "NEURAL_NETWORK",
        "data_props": json.loads((EXAMPLES / "mnist" / "model.json").read_text())["data_props"],
        "network": {"layers": chained, "output": "fc2"},
        "training": {**of_digits["training"], "rounds": 50, "batch_size": 400, "learning_rate": 2.0},
        "privacy": of_digits["privacy"],
    }

    def write(folder: Path) -> list[Path]:
        return sorted(made.write_data(folder, at_random=True), key=lambda path: (path.stem != "test", path.stem))

    def module() -> nn.Module:
        return nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            *(nn.Conv2d(1, 16, 8, stride=2, padding=3), nn.Tanh(), nn.MaxPool2d(2, 1)),
            *(nn.Conv2d(16, 32, 4, stride=2), nn.Tanh(), nn.MaxPool2d(2, 1)),
            *(nn.Flatten(), nn.Linear(512, 32), nn.Tanh(), nn.Linear(32, 10)),
        )

    return Data(document, write, module)


DATA: Mapping[str, Callable[[], Data]] = {"digits": digits, "mnist": mnist}


def measured(
    seeds: Sequence[int],
    epsilon: float,
    counted: Mapping[int, str] = COUNTED,
    *,
    data: str = "digits",
    rounds: int | None = None,
) -> Iterator[dict[str, Any]]:
    """A line for each number of owners that are counted honest, and one for Opacus."""
    steps: Any = importlib.import_module("digits_steps")
    chosen = DATA[data]()
    document = chosen.document
    if rounds is not None:
        document = {**document, "training": {**document["training"], "rounds": rounds}}
    with tempfile.TemporaryDirectory() as folder:
        test, *tables = chosen.write(Path(folder) / "tables")
        examples = steps.frozen(ModelSpec.model_validate(document), tables, Path(folder))

        def spec_of(honest: int, seed: int) -> dict[str, Any]:
            claim = {**document["privacy"], "epsilon": epsilon, "honest_owners": honest}
            return {**document, "training": {**document["training"], "seed": seed}, "privacy": claim}

        X, Y = (
            np.concatenate(part)
            for part in zip(*(steps.encoded(ModelSpec.model_validate(document), one) for one in tables), strict=True)
        )
        for honest, name in counted.items():
            began, specs = time.perf_counter(), [spec_of(honest, seed) for seed in seeds]
            rates = [steps.accuracy(spec, steps.trained(spec, examples), test) for spec in specs]
            noise = plan_of(specs[0])[1].noise
            spent = float("nan") if noise is None else noise.cost.epsilon(noise.privacy.delta)
            yield line(name, rates, spent, time.perf_counter() - began)
        began = time.perf_counter()
        central = [Central(spec_of(3, seed), chosen.module(), X, Y) for seed in seeds]
        rates = [steps.accuracy(spec_of(3, 0), one.weights, test) for one in central]
        yield line("Opacus, in one place", rates, central[0].epsilon, time.perf_counter() - began)


def plan_of(document: dict[str, Any]) -> tuple[ModelSpec, PrivateNetworkPlan]:
    """Return a spec, and its plan."""
    spec = ModelSpec.model_validate(document)
    plan = plan_spec(spec)
    if not isinstance(plan, PrivateNetworkPlan):
        raise TypeError("this spec trains no network with privacy")
    return spec, plan


def line(name: str, rates: Sequence[float], epsilon: float, seconds: float) -> dict[str, Any]:
    """One line of the table."""
    found = {"what": name, "median": statistics.median(rates), "accuracy": list(rates)}
    return {**found, "epsilon": epsilon, "seconds": round(seconds, 1)}


class Central:
    """DP-SGD by Opacus on all rows in one place, from the same first weights, with the plan's noise multiplier."""

    def __init__(self, document: dict[str, Any], module: nn.Module, X: Any, Y: Any) -> None:
        opacus: Any = importlib.import_module("opacus")
        spec, plan = plan_of(document)
        noise, training = plan.noise, spec.training
        if noise is None:
            raise TypeError("this plan has no noise")
        torch.manual_seed(training.seed or 0)
        first = initial_weights(plan.checked, training.seed or 0)
        names = dict(zip(first, module.state_dict(), strict=True))
        module.load_state_dict({names[name]: torch.from_numpy(values.copy()) for name, values in first.items()})
        rows = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y.argmax(axis=1)))
        loader = DataLoader(rows, batch_size=round(len(rows) * noise.privacy.rate))
        optimizer = torch.optim.SGD(module.parameters(), lr=float(training.learning_rate))
        engine = opacus.PrivacyEngine(accountant="rdp")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            private, optimizer, loader = engine.make_private(
                module=module,
                optimizer=optimizer,
                data_loader=loader,
                noise_multiplier=noise.multiplier,
                max_grad_norm=plan.terms.clip,
            )
            self._step(private, optimizer, loader, noise.rounds)
        self.epsilon = float(engine.get_epsilon(noise.privacy.delta))
        state = module.state_dict()
        self.weights = {name: state[own].numpy() for name, own in names.items()}

    @staticmethod
    def _step(private: Any, optimizer: Any, loader: Any, rounds: int) -> None:
        done = 0
        while done < rounds:
            for features, targets in loader:
                optimizer.zero_grad()
                cross_entropy(private(features), targets).backward()
                optimizer.step()
                done += 1
                if done == rounds:
                    return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epsilon", type=float, default=3.0)
    parser.add_argument("--data", choices=sorted(DATA), default="digits")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lines, counted = [], {3: COUNTED[3]} if options.quick else COUNTED
    seeds, chosen = range(1, options.seeds + 1), {"data": options.data, "rounds": options.rounds}
    for one in measured(seeds, options.epsilon, counted, **chosen):
        lines.append(one)
        if not options.json:
            rates = " ".join(f"{rate:.4f}" for rate in one["accuracy"])
            print(
                f"{one['what']:<24} {one['median']:.4f}  ε {one['epsilon']:.4f}  ({rates}; {one['seconds']} s)",
                flush=True,
            )
    if options.json:
        print(json.dumps(lines))


if __name__ == "__main__":
    main()
