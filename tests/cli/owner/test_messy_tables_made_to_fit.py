"""Three clinics' messy tables, made to fit by the drafts of `describe`, `schema merge` and `map` and a few lines."""

from __future__ import annotations

import csv
import datetime
import difflib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app
from fedtrain.spec.model_spec import DataProps, ModelType
from fedtrain.tabular import Encoder, open_declared_table
from fedtrain.tabular.mapping.file import Mapping, read_mapping

ROWS = 120
MOST_CHANGED = 10
SINCE = datetime.date(2015, 1, 1)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def people(seed: int) -> list[dict[str, Any]]:
    """The truth behind a table: all in kg, years, days since SINCE; some weights are not known."""
    draw = np.random.default_rng(seed)
    found = []
    for row in range(ROWS):
        sex, admitted = "MF"[int(draw.integers(2))], SINCE + datetime.timedelta(days=int(draw.integers(0, 3000)))
        weight, age = float(draw.integers(80, 260)) / 2, int(draw.integers(20, 90))
        ward = ("surgery", "internal medicine", "intensive care")[int(draw.integers(3))]
        stay = (
            1 + 0.05 * age + 0.02 * weight + (2.0 if ward == "intensive care" else 0.0) + float(draw.integers(0, 8)) / 4
        )
        known = None if row % 17 == 3 else weight
        found.append(
            {"sex": sex, "age": age, "weight": known, "ward": ward, "admitted": admitted, "stay": round(stay, 2)}
        )
    return found


def clinic_a(person: dict[str, Any]) -> dict[str, str]:
    weight = "-999" if person["weight"] is None else str(person["weight"])
    return {
        "Sex": {"M": "male", "F": "FEMALE"}[person["sex"]],
        "age": str(person["age"]),
        "weight_kg": weight,
        "ward": person["ward"].title() if person["age"] % 2 else person["ward"],
        "admitted": person["admitted"].isoformat(),
        "length_of_stay": str(person["stay"]),
    }


def clinic_b(person: dict[str, Any]) -> dict[str, str]:
    weight = "unbekannt" if person["weight"] is None else f"{person['weight'] * 1000:.0f}"
    return {
        "AGE": str(person["age"]),
        "sex": {"M": "m", "F": " f"}[person["sex"]],
        "weight g": weight,
        "Ward": person["ward"].upper().replace(" ", "  "),
        "Admitted": person["admitted"].strftime("%d.%m.%Y"),
        "length of stay": f"{person['stay']:.2f}".replace(".", ","),
    }


def clinic_c(person: dict[str, Any]) -> dict[str, str]:
    return {
        "id": f"P{person['age']}{person['stay']}{person['admitted']}",
        "length_of_stay": str(person["stay"]),
        "age": str(person["age"]),
        "Geschlecht": {"M": "1", "F": "2"}[person["sex"]],
        "weight_kg": "n/a" if person["weight"] is None else f"{person['weight']:.1f}",
        "ward": {"surgery": "SUR", "internal medicine": "internal_medicine", "intensive care": "ICU"}[person["ward"]],
        "admitted": person["admitted"].strftime("%d/%m/%Y 00:00"),
    }


CLINICS: dict[str, tuple[Callable[[dict[str, Any]], dict[str, str]], str]] = {
    "a": (clinic_a, ","),
    "b": (clinic_b, ";"),
    "c": (clinic_c, ","),
}


def cleaned_a(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    return pd.DataFrame(
        {
            "sex": table["Sex"].str.lower().map({"male": "M", "female": "F"}),
            "age": table["age"],
            "weight_kg": table["weight_kg"].where(table["weight_kg"] != -999),
            "ward": table["ward"].str.lower(),
            "admitted": (pd.to_datetime(table["admitted"]) - pd.Timestamp(SINCE)).dt.days,
            "length_of_stay": table["length_of_stay"],
        }
    )


def cleaned_b(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, sep=";", decimal=",", na_values=["unbekannt"])
    return pd.DataFrame(
        {
            "sex": table["sex"].str.strip().str.upper(),
            "age": table["AGE"],
            "weight_kg": table["weight g"] / 1000,
            "ward": table["Ward"].str.lower().str.replace("  ", " "),
            "admitted": (pd.to_datetime(table["Admitted"], format="%d.%m.%Y") - pd.Timestamp(SINCE)).dt.days,
            "length_of_stay": table["length of stay"],
        }
    )


def cleaned_c(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    wards = {"SUR": "surgery", "ICU": "intensive care", "internal_medicine": "internal medicine"}
    return pd.DataFrame(
        {
            "sex": table["Geschlecht"].map({1: "M", 2: "F"}),
            "age": table["age"],
            "weight_kg": table["weight_kg"],
            "ward": table["ward"].map(wards),
            "admitted": (pd.to_datetime(table["admitted"], format="%d/%m/%Y %H:%M") - pd.Timestamp(SINCE)).dt.days,
            "length_of_stay": table["length_of_stay"],
        }
    )


CLEANED = {"a": cleaned_a, "b": cleaned_b, "c": cleaned_c}
# What each clinic's people correct in their draft: a line that starts so becomes the other, or is put after its table.
BY_HAND = {
    "a": [("since", "admitted", "since = 2015-01-01")],
    "b": [("since", "admitted", "since = 2015-01-01")],
    "c": [
        ("# [columns.sex]", None, "[columns.sex]"),
        ("# from", None, 'from = "Geschlecht"'),
        ("recode", "sex", 'recode = {"1" = "M", "2" = "F"}'),
        ("fold", "ward", "fold = true"),
        (
            "recode",
            "ward",
            'recode = {"sur" = "surgery", "icu" = "intensive care", "internal_medicine" = "internal medicine"}',
        ),
        ("since", "admitted", "since = 2015-01-01"),
    ],
}


def corrected(text: str, changes: list[tuple[str, str | None, str]]) -> str:
    lines = text.splitlines()
    for start, column, line in changes:
        at = 0 if column is None else lines.index(f"[columns.{column}]")
        end = next((place for place in range(at + 1, len(lines)) if lines[place] == "" and column), len(lines))
        place = next((place for place in range(at, end) if lines[place].startswith(start)), None)
        if place is None:
            lines.insert(at + 1, line)
        else:
            lines[place] = line
    return "\n".join(lines) + "\n"


def changed(before: str, after: str) -> int:
    """Lines that were put in, or put in another's place."""
    return sum(line.startswith("+ ") for line in difflib.ndiff(before.splitlines(), after.splitlines()))


def write(path: Path, rows: list[dict[str, str]], delimiter: str) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def coefficients(tables: list[tuple[Path, Mapping | None]], props: DataProps) -> np.ndarray:
    encoder = Encoder(props, ModelType.LINEAR_REGRESSION, "none")
    X, Y = [], []
    for path, mapping in tables:
        for batch in encoder.encode_all(open_declared_table(path, props, mapping).batches(encoder.columns)):
            X.append(batch.X)
            Y.append(batch.Y)
    assert sum(map(len, X)) == 3 * ROWS - 3 * sum(row % 17 == 3 for row in range(ROWS))
    solved: np.ndarray = np.linalg.lstsq(np.concatenate(X), np.concatenate(Y), rcond=None)[0]
    return solved


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables, what `describe` says of each, and what `schema merge` proposes."""
    folder = tmp_path_factory.mktemp("clinics")
    for seed, (name, (messy, delimiter)) in enumerate(CLINICS.items()):
        table = write(folder / f"{name}.csv", [messy(person) for person in people(seed)], delimiter)
        target = "length of stay" if name == "b" else "length_of_stay"
        done = run("describe", table, "--target", target, "--out", folder / f"{name}.json")
        assert done.exit_code == 0, done.output
    merged = run("schema", "merge", *(folder / f"{name}.json" for name in CLINICS), "--out", folder / "merged.json")
    assert merged.exit_code == 0, merged.output
    (folder / "merged.txt").write_text(merged.output)
    return folder


def agreed(folder: Path) -> Path:
    """The schema that the three agree on: what was proposed, with what the notes asked about decided."""
    proposed = json.loads((folder / "merged.json").read_text())
    columns = {column["name"]: column for column in proposed["features"]}
    assert proposed["target"]["name"] == "length_of_stay"
    features = [
        {"name": "sex", "type": "nominal", "categories": ["F", "M"]},
        columns["age"],
        {**columns["weight_kg"], "range": [0, 200], "missing": "drop"},
        {**columns["ward"], "categories": ["intensive care", "internal medicine", "surgery"]},
        {"name": "admitted", "type": "continuous", "range": [0, 5000]},
    ]
    path = folder / "schema.json"
    path.write_text(json.dumps({"features": features, "target": proposed["target"]}))
    return path


def test_what_differs_between_the_drafts_is_named_and_the_proposal_can_be_planned(drafted: Path) -> None:
    said = (drafted / "merged.txt").read_text()
    for words in ("is 'AGE' in b.json", "not in a.json, b.json", "spelt", "are they of one unit?", "is it 'm'?"):
        assert words in said, said
    spec = {"model_type": "LINEAR_REGRESSION", "data_props": json.loads((drafted / "merged.json").read_text())}
    (drafted / "model.json").write_text(json.dumps(spec))
    planned = run("plan", drafted / "model.json")
    assert planned.exit_code == 0, planned.output


@pytest.mark.slow
def test_the_drafts_fit_after_ten_lines_and_give_the_cleaned_tables_coefficients(drafted: Path) -> None:
    schema = agreed(drafted)
    props = DataProps.model_validate_json(schema.read_text())
    mapped: list[tuple[Path, Mapping | None]] = []
    cleaned: list[tuple[Path, Mapping | None]] = []
    for name in CLINICS:
        table, mapping = drafted / f"{name}.csv", drafted / f"{name}.toml"
        done = run("map", table, "--schema", schema, "--out", mapping)
        assert done.exit_code == 0, done.output
        draft = mapping.read_text()
        mapping.write_text(corrected(draft, BY_HAND[name]))
        assert changed(draft, mapping.read_text()) <= MOST_CHANGED
        checked = run("check", schema, "--data", table, "--mapping", mapping)
        assert "does not fit" not in checked.output and checked.exit_code == 0, mapping.read_text() + checked.output
        mapped.append((table, read_mapping(mapping)))
        cleaned.append((drafted / f"{name}.clean.csv", None))
        CLEANED[name](table).to_csv(cleaned[-1][0], index=False)
    np.testing.assert_allclose(coefficients(mapped, props), coefficients(cleaned, props), rtol=1e-9, atol=1e-12)


def test_a_draft_names_what_it_guessed_and_what_it_cannot_tell(drafted: Path) -> None:
    text = run("map", drafted / "c.csv", "--schema", agreed(drafted)).output
    assert "# ? no column of the table seems to be this one" in text
    assert "'ICU'" in text and "# not used: id, Geschlecht" in text
    assert (
        "# ? do -999 mean that there is no value?" in run("map", drafted / "a.csv", "--schema", agreed(drafted)).output
    )
    again = run("map", drafted / "a.csv", "--schema", agreed(drafted), "--out", drafted / "a.json")
    assert again.exit_code == 1 and "is there already" in again.output
