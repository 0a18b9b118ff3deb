"""One registration answers jobs that predict any of its columns, and all of them together tell one block of moments."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.data.encoding import DatasetFacts, differences, in_roles
from fedtrain.data_owner.data.moments import Moments
from fedtrain.data_owner.data.rows.split import ValidationSplit
from fedtrain.data_owner.data.training_rows import TrainingRows
from fedtrain.data_owner.policy.inspector import Inspector
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.store.records import Dataset
from fedtrain.spec.model_spec import DataProps, Feature, ModelSpec
from fedtrain.spec.problems import Problem
from fedtrain.spec.roles import as_feature, as_target, asking_for
from fedtrain.tabular.columns import CategoryCodec, Codec
from fedtrain.tabular.dictionary import Dictionary
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.reading.read import open_declared_table
from tests.data_owner.data.frozen.test_owner_freezing import Bench

ROWS = 60
COLUMNS: list[dict[str, Any]] = [
    {"name": "age", "type": "continuous", "range": [10, 100], "missing": "drop"},
    {"name": "ward", "type": "nominal", "categories": ["a", "b", "c"]},
    {"name": "dose", "type": "continuous", "range": [-2, 2], "missing": 0.5},
    {"name": "grade", "type": "ordinal", "categories": ["low", "middle", "high"]},
    {"name": "relapse", "type": "nominal", "categories": ["no", "yes"], "missing": "drop"},
    {"name": "days", "type": "discrete", "range": [0, 50], "missing": "drop"},
]
DICTIONARY = DataProps.model_validate({"features": COLUMNS})
DECLARED = DICTIONARY.model_dump(mode="json", exclude_none=True)
NAMES = ("age", "ward", "dose", "grade", "relapse", "days")
COMPLETE = ROWS - 3


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def table() -> str:
    draw = np.random.default_rng(11)
    lines = [",".join(NAMES)]
    for row in range(ROWS):
        cells = [
            "" if row == 3 else str(draw.uniform(10, 100)),
            "abc"[row % 3],
            "" if row % 4 == 1 else str(draw.uniform(-2, 2)),
            ("low", "middle", "high")[row % 7 % 3],
            "" if row == 5 else ("no", "yes")[row % 2],
            "" if row == 9 else str(int(draw.integers(0, 51))),
        ]
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def spec_asking(target: str, features: list[str] | None = None, props: DataProps = DICTIONARY) -> ModelSpec:
    asked = asking_for(props, target, features)
    classifies = asked.all_targets[0].categories is not None
    return ModelSpec.model_validate(
        {
            "model_type": "LOGISTIC_REGRESSION" if classifies else "LINEAR_REGRESSION",
            "data_props": asked.model_dump(mode="json", exclude_none=True),
            "training": {"key_bits": 512, "max_rows": 1000},
        }
    )


def questions() -> list[ModelSpec]:
    """Every column that can be predicted, from all others and from some pairs of them."""
    found = []
    for target in ("age", "ward", "relapse", "days"):
        others = [name for name in NAMES if name != target]
        found.append(spec_asking(target))
        found += [spec_asking(target, list(pair)) for pair in list(combinations(others, 2))[::3]]
    return found


def factors_of(spec: ModelSpec, dictionary: Dictionary) -> list[list[Fraction]]:
    """Each column of the job's (X, Y) as a combination of the dictionary's lines: public, for both encodings are."""
    encoder = Encoder.of_spec(spec)
    places = {codec.label: (codec, lines) for codec, lines in zip(dictionary.codecs, dictionary.lines, strict=True)}

    def line(codec: Codec, index: int) -> list[Fraction]:
        factors = [Fraction(0)] * len(dictionary.line_columns)
        ours, lines = places[codec.label]
        if isinstance(codec, CategoryCodec) and not codec.ordinal:
            text = codec.texts[len(codec.texts) - len(codec.names) + index]
            category = codec.texts.index(text)
            if category > 0:
                factors[lines.start + category - 1] = Fraction(1)
            else:  # of the reference category are those that are of no other
                factors[0] = Fraction(1)
                factors[lines] = [Fraction(-1)] * (lines.stop - lines.start)
            return factors
        # x = (raw − c) / h = (h_d / h) · x_d + (c_d − c) / h, where the dictionary has c_d and h_d.
        factors[lines.start] = ours.exact_half_width / codec.exact_half_width
        factors[0] = (ours.exact_centre - codec.exact_centre) / codec.exact_half_width
        return factors

    ones = [Fraction(1)] + [Fraction(0)] * (len(dictionary.line_columns) - 1)
    inputs = [line(codec, index) for codec in encoder.features for index in range(len(codec.names))]
    outputs = [line(codec, index) for codec in encoder.targets for index in range(len(codec.names))]
    return [*inputs, ones, *outputs]


def block_of(dataset: Dataset, dictionary: Dictionary) -> np.ndarray:
    """The second moments over all columns, as fractions."""
    found = np.zeros((len(dictionary.line_columns),) * 2, dtype=object)
    for batch in dictionary.encode_all(open_declared_table(dataset.path, DICTIONARY).batches(dictionary.columns)):
        for row, rest in zip(batch.Z, batch.Z_rest, strict=True):
            exact = np.array([Fraction(x) + Fraction(r) for x, r in zip(row, rest, strict=True)], dtype=object)
            found = found + np.outer(exact, exact)
    return found


def everything_in(moments: Moments) -> dict[tuple[int, int], Fraction]:
    """All that is frozen for a job, by its place among the columns of (X, Y)."""
    d, k, unit = moments.dimensions, moments.outputs, 4**moments.fraction_bits
    found = {(i, j): Fraction(int(moments.xtx[i, j]), unit) for i in range(d) for j in range(d)}
    found |= {(i, d + j): Fraction(int(moments.xty[i, j]), unit) for i in range(d) for j in range(k)}
    return found | {(d + j, d + j): Fraction(int(moments.yty[j]), unit) for j in range(k)}


def test_no_set_of_jobs_tells_more_than_one_block_of_moments_over_all_columns(bench: Bench) -> None:
    dataset, dictionary = bench.register(table(), DECLARED), Dictionary(DICTIONARY, "range")
    block, row_sets = block_of(dataset, dictionary), set()
    for number, spec in enumerate(questions()):
        frozen = bench.freezer.freeze_job(f"{number:032x}", dataset, spec)
        row_sets.add((frozen.table.whole, frozen.table.encoding, frozen.moments.rows))
        factors = np.array(factors_of(spec, dictionary), dtype=object)
        assert frozen.moments.dimensions + frozen.moments.outputs == len(factors)
        expected = factors @ block @ factors.T
        for place, value in everything_in(frozen.moments).items():
            # Records are rounded to 2^-64: all that sums in one encoding can differ by from those in another.
            assert abs(value - expected[place]) <= ROWS * Fraction(8, 2**64), (spec.data_props.all_targets, place)
    assert len(row_sets) == 1, "which rows count, and in which encoding, is decided once for all jobs"
    assert {rows for _, _, rows in row_sets} == {COMPLETE}


def test_rows_that_are_read_anew_are_the_same_in_every_role(bench: Bench) -> None:
    dataset = bench.register(table(), DECLARED)
    assert {sum(len(batch.X) for batch in TrainingRows(dataset, spec)) for spec in questions()[::4]} == {COMPLETE}


def test_a_registration_with_targets_answers_jobs_that_predict_another_column(bench: Bench) -> None:
    with_targets = {
        "features": COLUMNS[:4],
        "targets": [
            {"name": "days", "range": [0, 50], "missing": "drop"},
            {"name": "relapse", "categories": ["no", "yes"], "missing": "drop"},
        ],
    }
    dataset, found = bench.register(table(), with_targets), set()
    for number, target in enumerate(("days", "relapse", "age", "ward")):
        spec = spec_asking(target, props=DataProps.model_validate(with_targets))
        assert differences(dataset.facts(), spec.data_props) == []
        frozen = bench.freezer.freeze_job(f"{number:032x}", dataset, spec)
        found.add((frozen.table.encoding, frozen.table.whole, frozen.moments.rows))
    assert {rows for _, _, rows in found} == {COMPLETE} and len(found) == 1


def test_a_job_in_the_schemas_own_roles_is_encoded_as_it_was_before_roles_could_change() -> None:
    props = DataProps.model_validate({"features": COLUMNS[:-1], "target": {"name": "days", "range": [0, 50]}})
    assert in_roles(props, spec_asking("days", ["age", "ward"], props).data_props, NAMES) is props


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"name": "grade", "categories": ["low", "middle", "high"]}, "grade: can be no target: it is ordinal"),
        ({"name": "dose", "range": [-2, 2]}, "dose: can be no target: a missing value becomes 0.5"),
        ({"name": "age", "range": [10, 101], "missing": "drop"}, "age: range is [10, 101] in the job"),
        ({"name": "age", "range": [10, 100]}, "age: missing is 'error' in the job and 'drop' in the schema"),
        ({"name": "age", "categories": ["young", "old"], "missing": "drop"}, "age: range is none in the job"),
        ({"name": "ward", "categories": ["b", "a", "c"]}, "ward: categories, or their order"),
    ],
)
def test_a_column_that_cannot_be_asked_for_in_that_way_is_refused_by_name(target: dict[str, Any], said: str) -> None:
    facts = DatasetFacts("default", "0" * 64, NAMES, DICTIONARY)
    found = differences(facts, DataProps.model_validate({"features": [COLUMNS[5]], "target": target}))
    assert any(one.startswith(said) for one in found), found


def test_a_target_that_is_asked_for_as_an_ordinal_feature_is_refused() -> None:
    schema = {"features": [COLUMNS[0]], "target": {"name": "ward", "categories": ["a", "b", "c"]}}
    asked = {
        "features": [{"name": "ward", "type": "ordinal", "categories": ["a", "b", "c"]}],
        "target": {"name": "age", "range": [10, 100], "missing": "drop"},
    }
    facts = DatasetFacts("default", "0" * 64, NAMES, DataProps.model_validate(schema))
    found = differences(facts, DataProps.model_validate(asked))
    assert "ward: type is ordinal in the job and nominal in the schema" in found


def test_values_outside_the_range_are_refused_where_the_column_is_predicted(bench: Bench) -> None:
    text = table().splitlines()
    text[1] = "120," + text[1].split(",", 1)[1]
    dataset = bench.register("\n".join(text) + "\n", DECLARED)
    bench.freezer.freeze_job("ab" * 16, dataset, spec_asking("days"))
    with pytest.raises(Problem, match="declared range"):
        bench.freezer.freeze_job("cd" * 16, dataset, spec_asking("age"))


def test_what_rounding_singles_out_in_one_role_alone_is_found_in_that_role(bench: Bench) -> None:
    """On a target's scale the one small value rounds to 0, as all others are; centred, as a feature, it does not."""
    small = -0.3 * 1.5 * 2.0**-64
    rows = "".join(f"{small if row == 7 else 0},{row % 30}\n" for row in range(ROWS))
    schema = {
        "features": [{"name": "b", "type": "continuous", "range": [0, 40]}],
        "target": {"name": "a", "range": [-1, 2]},
    }
    dataset, props = bench.register("a,b\n" + rows, schema), DataProps.model_validate(schema)
    inspector = Inspector(
        bench.folder / "inspections", OwnerPolicy(), lambda: ValidationSplit(0.2, bytes(32)), lambda: bytes(32)
    )

    def alone(declared: DataProps) -> int:
        cells = inspector.inspect(dataset, declared).parts[0].cells
        return sum(cell.rows for cell in cells if cell.kind == "common" and cell.columns == ("a",))

    assert alone(props) == 0
    assert alone(in_roles(props, spec_asking("b", props=props).data_props, dataset.columns)) == 1


def test_a_column_keeps_what_it_says_from_role_to_role() -> None:
    for column in DICTIONARY.features[:2]:
        assert as_feature(as_target(column), column.type) == column
    with pytest.raises(ValueError, match="'weight' is no column of the dictionary; there is 'age'"):
        asking_for(DICTIONARY, "weight")
    with pytest.raises(ValueError, match="it predicts nothing itself"):
        asking_for(DICTIONARY, "age", ["age", "ward"])
    assert all(isinstance(one, Feature) for one in asking_for(DICTIONARY, "age").features)
