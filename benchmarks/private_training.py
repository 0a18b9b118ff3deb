"""Accuracy of DP-SGD over three owners against Opacus' in one place, at the same ε, δ, clip, rounds and sampling.

python -m benchmarks.private_training [--seeds 3] [--epsilon 3] [--quick] [--json]

On scikit-learn's digits, by the network and the spec of examples/privacy/digits.json: with the noise of all three
owners counted honest, with one that may collude, and with noise that each owner adds for itself alone. What owners and
Model Owner compute is their own code, without the encryption in between, which adds up exactly. Opacus is no
dependency: `pip install opacus`. ε is by the plan's accountant and by Opacus', for the same steps. `--quick`: with all
owners honest alone.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from fedtrain.methods.network.private import PrivateNetworkPlan
from fedtrain.neural.initial import initial_weights
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "privacy"
sys.path.insert(0, str(EXAMPLE))
#: Owners whose noise a claim counts on, of three, and what that is called.
COUNTED = {3: "all owners honest", 2: "one may collude", 1: "each for itself alone"}


def measured(seeds: Sequence[int], epsilon: float, counted: Mapping[int, str] = COUNTED) -> Iterator[dict[str, Any]]:
    """A line for each number of owners that are counted honest, and one for Opacus."""
    steps: Any = importlib.import_module("digits_steps")
    document = json.loads((EXAMPLE / "digits.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        test, *tables = steps.write_digits(Path(folder) / "tables")
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
        central = [Central(spec_of(3, seed), X, Y) for seed in seeds]
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

    def __init__(self, document: dict[str, Any], X: Any, Y: Any) -> None:
        opacus: Any = importlib.import_module("opacus")
        spec, plan = plan_of(document)
        noise, training = plan.noise, spec.training
        if noise is None:
            raise TypeError("this plan has no noise")
        torch.manual_seed(training.seed or 0)
        module = torch.nn.Sequential(torch.nn.Linear(64, 24), torch.nn.Tanh(), torch.nn.Linear(24, 10))
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
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lines, counted = [], {3: COUNTED[3]} if options.quick else COUNTED
    for one in measured(range(1, options.seeds + 1), options.epsilon, counted):
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
