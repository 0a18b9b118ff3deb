"""`fedtrain plan`: what it shows, what it keeps of this machine's speed, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from benchmarks import network
from fedtrain.cli.jobs.plan import bar_line
from fedtrain.cli.main import app
from fedtrain.crypto.engine.native.engine import why_not
from fedtrain.methods import schedule_of
from fedtrain.planning.costs import cost_of
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.forecast import forecast
from fedtrain.protocol.messages.sizes import job_bytes
from fedtrain.service.runtime.machine_speed import FILE, unit_costs
from fedtrain.spec.model_spec import ModelSpec

SPEC: dict[str, Any] = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [{"col_idx": i, "type": "continuous", "range": [0, 1]} for i in range(4)],
        "target": {"col_idx": 4, "range": [0, 1]},
    },
    "training": {
        "optimizer": "gradient_descent",
        "rounds": 40,
        "reencrypt_every": 8,
        "max_rows": 1000,
        "max_data_owners": 5,
        "key_bits": 2048,
    },
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the speed of this machine is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fedtrain"


def run(tmp_path: Path, *arguments: object, **training: Any) -> Result:
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**SPEC, "training": {**SPEC["training"], **training}}))
    return CliRunner().invoke(app, ["plan", str(path), *(str(argument) for argument in arguments)])


def test_the_plan_is_the_budget_and_the_forecast_of_the_spec(tmp_path: Path, cache: Path) -> None:
    result = run(tmp_path, "--owners", 4, "--rows", 90, "--json")
    assert result.exit_code == 0, result.output
    plan = json.loads(result.stdout)
    spec = ModelSpec.model_validate_json(json.dumps(SPEC))
    budget = plan_spec(spec)
    job = plan.pop("forecast")
    assert plan == json.loads(json.dumps(budget.to_dict()))
    assert (job["owners"], job["rows"], job["rounds"], job["turns"]) == (4, 90, 40, 5)
    assert job["bytes"]["facilitator"]["sent"] == job_bytes(budget, schedule_of(spec), 4, 90).facilitator_sent
    # N, Σy², and five times the five weights, of the 15 + 5 entries of (A, b) and those two.
    assert (job["sums_decrypted"], job["sums_in_all"]) == (15 + 5, 15 + 5)
    assert all(value > 0 for name, value in job["seconds"].items() if not name.endswith("an_evaluation"))


def test_without_options_it_plans_for_the_fewest_owners_and_the_most_rows(tmp_path: Path, cache: Path) -> None:
    job = json.loads(run(tmp_path, "--json").stdout)["forecast"]
    assert (job["owners"], job["rows"]) == (3, 3000)


def test_of_shared_weights_no_number_of_rounds_has_seen_all(tmp_path: Path, cache: Path) -> None:
    shared = {
        "model_type": "LOGISTIC_REGRESSION",
        "training": {"weights": "shared_with_owners", "optimizer": "lbfgs", "rounds": 7},
    }
    path = tmp_path / "model.json"
    target = {"col_idx": 4, "categories": ["no", "yes"]}
    path.write_text(json.dumps({**SPEC, **shared, "data_props": {**SPEC["data_props"], "target": target}}))
    result = CliRunner().invoke(app, ["plan", str(path)])
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    # Five weights and a loss, seven times.
    assert "decrypts at most 42 sums over all owners" in told and "of the federation's" not in told


def test_a_person_sees_each_step_of_a_window_and_each_party(tmp_path: Path, cache: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    bars = [line for line in lines if line.strip().startswith("step")]
    assert len(bars) == 8
    filled = [line.count("█") for line in bars]
    assert filled == sorted(filled) and filled[0] < filled[-1]
    for words in ("each Data Owner", "Facilitator", "Model Owner", "re-encrypted every 8", "of the federation's"):
        assert words in result.stdout


def test_a_person_sees_what_evaluations_cost_where_there_are_any(tmp_path: Path, cache: Path) -> None:
    evaluated = run(tmp_path, reencrypt_every=1, evaluate_every=10)
    assert evaluated.exit_code == 0, evaluated.output
    assert "40 rounds at most, 3 evaluations; 3 Data Owners" in evaluated.stdout
    lines = [line.split() for line in evaluated.stdout.splitlines()]
    # Enc(w⊗w) and Enc(w): 15 + 5 ciphertexts of 512 bytes to an owner, and one back.
    assert [line[1:3] for line in lines if line[:1] == ["evaluation"]] == [
        ["10,240", "512"],
        ["1,536", "30,720"],
        ["12,288", "10,240"],
    ]
    assert " s an evaluation, " in evaluated.stdout
    assert "evaluation" not in run(tmp_path).stdout


def test_a_bar_is_as_full_as_the_step() -> None:
    step = {"step": 3, "weight_fraction_bits": 250, "bits_used": 511, "bits_available": 1022}
    assert bar_line(step, 1022).count("█") == 20
    assert bar_line({**step, "bits_used": 1022}, 1022).count("·") == 0
    assert "50%" in bar_line(step, 1022)


def test_speed_is_measured_once_and_again_when_asked(tmp_path: Path, cache: Path) -> None:
    run(tmp_path)
    first = (cache / FILE).read_text()
    run(tmp_path)
    assert (cache / FILE).read_text() == first
    known = json.loads(first)
    known["unit_costs"][0] |= {"multiplication_s": 0.5, "gmpy2_multiplication_s": 0.5}
    (cache / FILE).write_text(json.dumps(known))
    slow = json.loads(run(tmp_path, "--json").stdout)["forecast"]["seconds"]["a_round"]
    fast = json.loads(run(tmp_path, "--json", "--measure").stdout)["forecast"]["seconds"]["a_round"]
    assert slow > 100 * fast


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"unit_costs": [{"modulus_bits": 2048}]}', '{"unit_costs": 3}'])
def test_a_broken_file_is_measured_anew(cache: Path, content: str) -> None:
    cache.mkdir(parents=True)
    (cache / FILE).write_text(content)
    ticks = iter(range(10_000))
    costs = unit_costs(cache, 2048, lambda: next(ticks) * 1e-3, choice="gmpy2")
    assert costs.multiplication_s == pytest.approx(1e-3 / 50)
    assert json.loads((cache / FILE).read_text())["unit_costs"][0]["modulus_bits"] == 2048


@pytest.mark.slow
@pytest.mark.skipif(why_not() is not None, reason=f"the kernel can't be used here: {why_not()}")
def test_seconds_are_those_of_the_engine_in_use(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the services choose it: the kernel, unless the setting says gmpy2. Each is measured and kept by itself."""
    by_kernel = json.loads(run(tmp_path, "--json").stdout)["forecast"]
    monkeypatch.setenv("FEDTRAIN_ENGINE", "gmpy2")
    by_gmpy2 = json.loads(run(tmp_path, "--json").stdout)["forecast"]
    assert (by_kernel["unit_costs"]["engine"], by_gmpy2["unit_costs"]["engine"]) == ("native", "gmpy2")
    assert {entry["engine"] for entry in json.loads((cache / FILE).read_text())["unit_costs"]} == {"native", "gmpy2"}
    assert by_gmpy2["unit_costs"]["multiplication_s"] == by_gmpy2["unit_costs"]["gmpy2_multiplication_s"]
    assert "machines like this one, by gmpy2" in run(tmp_path).stdout
    known = json.loads((cache / FILE).read_text())
    for entry in known["unit_costs"]:
        if entry["engine"] == "gmpy2":
            entry["multiplication_s"] = 0.25
    (cache / FILE).write_text(json.dumps(known))
    slow = json.loads(run(tmp_path, "--json").stdout)["forecast"]["seconds"]
    monkeypatch.delenv("FEDTRAIN_ENGINE")
    assert json.loads(run(tmp_path, "--json").stdout)["forecast"] == by_kernel
    assert slow["data_owner_a_round"] > 100 * by_kernel["seconds"]["data_owner_a_round"]


def test_a_folder_that_cannot_be_written_is_gone_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ticks = iter(range(10_000))
    assert unit_costs(tmp_path / "file" / "folder", 1024, lambda: next(ticks) * 1e-3).modulus_bits == 1024


@pytest.mark.parametrize(
    ("arguments", "training", "words"),
    [
        (["--owners", "6"], {}, "owners must be 1 to max_data_owners, 5; received 6"),
        (["--rows", "5001"], {}, "rows must be 1 to 5000"),
        ([], {"reencrypt_every": 500}, "reencrypt_every 500 needs"),
        ([], {"optimizer": "conjugate_gradient"}, "only the Model Owner can decrypt"),
    ],
)
def test_what_cannot_be_planned_is_refused_with_what_to_do(
    tmp_path: Path, cache: Path, arguments: list[str], training: dict[str, Any], words: str
) -> None:
    result = run(tmp_path, *arguments, **training)
    assert result.exit_code == 1
    assert words in " ".join(result.output.split())
    assert not result.stdout


def test_seconds_follow_the_machine_and_bytes_do_not() -> None:
    from fedtrain.planning.unit_costs import UnitCosts

    spec = ModelSpec.model_validate_json(json.dumps(SPEC))
    slow, fast = (forecast(spec, unit=UnitCosts(2048, cost, cost / 4, cost)) for cost in (2e-5, 1e-5))
    assert slow["seconds"]["job"] == pytest.approx(2 * fast["seconds"]["job"])
    assert slow["bytes"] == fast["bytes"] == forecast(spec)["bytes"]
    assert forecast(spec)["seconds"] is None


def test_a_network_is_planned_with_its_weights_bytes_and_seconds(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "network.json"
    path.write_text(mnist_like().model_dump_json(exclude_none=True))
    shown = CliRunner().invoke(app, ["plan", str(path)])
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.stdout.split())
    assert "30 rounds at most; 3 Data Owners; a network of 431,080 weights" in text
    assert "slots of 20 bits, 153 of an answer in a ciphertext of 768 bytes" in text
    assert "the mean of their updates" in text
    job = json.loads(CliRunner().invoke(app, ["plan", str(path), "--json"]).stdout)["forecast"]
    sent = job["bytes"]["data_owner"]["ciphertexts_sent_a_round"]
    assert sent == 2818 * 768
    assert sent / 431_080 < 5.6


def test_nonces_of_many_ciphertexts_are_counted_as_a_table_makes_them() -> None:
    cost = cost_of(mnist_like(), 3)
    answers = 2818
    # Windows of nine bits of an exponent of 1,536: 171 products, where a full power takes thousands.
    assert cost.data_owner.idle_multiplications == answers * 171


def mnist_like() -> ModelSpec:
    return network.spec_of(500, 3072)
