"""Drafts of mappings and merged schemas: what is proposed, what is asked, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedtrain.spec.model_spec import DataProps
from fedtrain.tabular.mapping.draft import draft_mapping
from fedtrain.tabular.mapping.file import Mapping
from fedtrain.tabular.mapping.matching import folded, folded_value, like_name, same_category, units_between, words
from fedtrain.tabular.mapping.merging import Merged, merge_schemas

DOSE = {"name": "dose", "type": "continuous", "range": [0, 10]}
COLOUR = {"name": "colour", "type": "nominal", "categories": ["red", "blue"]}
EFFECT = {"name": "effect", "range": [0, 100]}


def schema(*features: dict[str, Any], target: dict[str, Any] = EFFECT) -> DataProps:
    return DataProps.model_validate({"features": list(features), "target": target})


def merged(*drafts: DataProps, **options: Any) -> Merged:
    return merge_schemas({f"{letter}.json": draft for letter, draft in zip("abc", drafts, strict=False)}, **options)


def kinds(found: Merged) -> list[tuple[str, str, bool]]:
    return [(note.column, note.kind, note.conflict) for note in found.notes]


def test_equal_drafts_are_what_is_proposed() -> None:
    draft = schema(DOSE, COLOUR)
    assert merged(draft, draft, draft) == Merged(draft, ())


def test_the_union_of_ranges_and_categories_is_proposed_and_their_differences_named() -> None:
    other = schema({**DOSE, "name": "Dose", "range": [-5, 8]}, {**COLOUR, "categories": ["Red", "green"]})
    found = merged(schema(DOSE, COLOUR), other)
    dose, colour = found.schema.features
    assert (dose.name, dose.range, colour.categories) == ("dose", (-5, 10), ("red", "blue", "green"))
    assert kinds(found) == [
        ("dose", "name", False),
        ("dose", "range", False),
        ("colour", "spelling", False),
        ("colour", "categories", True),
        ("colour", "categories", True),
    ]


def test_a_type_that_differs_is_for_people_and_the_majoritys_is_proposed() -> None:
    as_text = {"name": "dose", "type": "nominal", "categories": ["low", "high"]}
    found = merged(schema(DOSE), schema({**DOSE, "type": "discrete"}), schema(as_text))
    assert found.schema.features[0].type == "continuous"
    assert ("dose", "type", True) in kinds(found)


def test_a_column_that_one_lacks_is_kept_or_left_out_and_named_either_way() -> None:
    both, one = schema(DOSE, COLOUR), schema(DOSE)
    assert len(merged(both, one).schema.features) == 2
    assert len(merged(both, one, common=True).schema.features) == 1
    for options in ({}, {"common": True}):
        assert kinds(merged(both, one, **options)) == [("colour", "absent", True)]


def test_a_range_in_another_unit_and_another_rule_for_missing_values_are_for_people() -> None:
    found = merged(schema({**DOSE, "missing": "drop"}), schema({**DOSE, "range": [0, 10_000], "missing": 5}))
    assert kinds(found) == [("dose", "range", True), ("dose", "missing", True)]


def test_the_target_is_the_one_asked_for_and_a_feature_where_it_is_not() -> None:
    draft = schema(DOSE, COLOUR)
    found = merged(draft, draft, target="Dose").schema
    assert found.target is not None and found.target.name == "dose"
    assert [feature.name for feature in found.features] == ["colour", "effect"]
    with pytest.raises(ValueError, match="no draft has a column 'weight'"):
        merged(draft, draft, target="weight")


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        (schema({"col_idx": 0, "type": "continuous", "range": [0, 1]}), "b.json: column 0 has no name"),
        (schema(DOSE, {**DOSE, "name": "DOSE"}), "b.json: 'DOSE' and 'dose' differ in spelling alone"),
    ],
)
def test_drafts_that_cannot_be_aligned_are_refused_by_name(draft: DataProps, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        merged(schema(DOSE), draft)


def drafted(folder: Path, text: str, *features: dict[str, Any]) -> tuple[Mapping, str]:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    toml = draft_mapping(path, schema(*features)).to_toml()
    return Mapping.from_toml(toml), toml


def test_a_table_that_fits_needs_no_rules(tmp_path: Path) -> None:
    mapping, text = drafted(tmp_path, "dose,colour,effect\n1,red,3\n2,blue,4\n", DOSE, COLOUR)
    assert mapping.columns == {} and "?" not in text


def test_names_marks_units_and_codes_are_drafted_by_looking(tmp_path: Path) -> None:
    rows = "".join(f"{row % 9},5;{'Red' if row % 2 else 'BLUE '};{row};k.A.\n" for row in range(30))
    mapping, text = drafted(
        tmp_path,
        f"Dose (mg);COLOUR;Effect;note\n{rows}9999,0;unknown;99;\n9999,0;red;99;\n",
        {**DOSE, "name": "dose_g", "range": [0, 0.1]},
        COLOUR,
    )
    dose, colour, effect = (mapping.columns[name] for name in ("dose_g", "colour", "effect"))
    assert (dose.source, dose.decimal, dose.factor, dose.missing) == ("Dose (mg)", ",", 0.001, (9999,))
    assert (colour.source, colour.fold, colour.recode) == ("COLOUR", True, {"blue": "blue", "red": "red"})
    assert colour.missing == ("unknown",) and effect.source == "Effect"
    assert "# not used: note" in text and "# ? do 9999 mean that there is no value?" in text


def test_a_day_and_a_month_that_could_be_each_other_are_asked_about(tmp_path: Path) -> None:
    admitted = {"name": "admitted", "type": "continuous", "range": [0, 1e5]}
    mapping, text = drafted(tmp_path, "admitted,effect\n01/02/2020,3\n05/06/2020,4\n", admitted)
    assert mapping.columns["admitted"].date == "%d/%m/%Y" and "could also be of the form '%m/%d/%Y'" in text
    mapping, text = drafted(tmp_path, "admitted,effect\n01/02/2020,3\n05/16/2020,4\n", admitted)
    assert mapping.columns["admitted"].date == "%m/%d/%Y" and "could also be" not in text


def test_numbers_that_read_in_two_ways_are_asked_about(tmp_path: Path) -> None:
    mapping, text = drafted(tmp_path, "dose,effect\n1.234,3\n2.345,4\n", {**DOSE, "range": [0, 9000]})
    assert "read in two ways" in text and mapping.columns["dose"].decimal is None


def test_a_name_with_quotes_and_a_line_end_in_it_is_still_toml(tmp_path: Path) -> None:
    mapping, _ = drafted(tmp_path, '"DOSE ""x"" \\",effect\n1,2\n', {**DOSE, "name": 'dose "x" \\'})
    assert mapping.columns['dose "x" \\'].source == 'DOSE "x" \\'


def test_names_and_values_are_matched_by_what_they_say() -> None:
    assert folded("Größe (cm)") == folded("GROSSE_cm") == "grossecm"
    assert words("WeightKg") == words("weight_kg") == words("weight (kg)") == ["weight", "kg"]
    assert like_name("length_of_stay", ["age", "LengthStay", "length (days)"])[0] == "LengthStay"
    assert like_name("age", ["wage bill", "sex"]) == []
    assert units_between("weight (lbs)", "weight_kg") == (0.45359237, 0.0)
    assert units_between("weight_kg", "weight_kg") is None
    assert same_category("MALE", ["male", "female"]) == ("male", True)
    assert same_category("f", ["male", "female"]) == ("female", False)
    assert same_category("s", ["single", "separated"]) == (None, False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-1", "1"),
        ("−1", "1"),
        ("(-1)", "1"),
        ("- 1", "+ 1"),
        ("A-", "A+"),
        ("A", "A-"),
        ("AB -", "AB"),
        ("<5", "5"),
        ("≤5", "<5"),
        ("5+", "5"),
        ("1.5", "15"),
        ("2-3", "23"),
        ("1/2", "12"),
        ("10 %", "10"),
        ("1", "10"),
    ],
)
def test_signs_make_another_value(one: str, other: str) -> None:
    assert folded_value(one) != folded_value(other)
    for value, category in ((one, other), (other, one)):
        assert same_category(value, [category, "none of these"]) == (None, False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("−1", "-1"),
        ("A –", "a-"),
        ("Non-Smoker", "non smoker"),
        ("yes - often", "YES, often"),
        ("n. a.", "N.A."),
        ("Größe", "GROSSE"),
        ("X-ray", "xray"),
    ],
)
def test_spelling_alone_makes_no_other_value(one: str, other: str) -> None:
    assert same_category(one, [other, "none of these"]) == (other, True)


def test_values_that_a_sign_tells_apart_are_kept_apart_in_drafts_and_merges(tmp_path: Path) -> None:
    group = {"name": "group", "type": "nominal", "categories": ["A+", "B+", "1"]}
    mapping, text = drafted(tmp_path, "group,effect\na+,3\nA-,4\n-1,5\nB+,6\n1,7\n", group)
    assert mapping.columns["group"].recode == {"a+": "A+"}
    assert "what do 'A-', '-1' mean" in text
    first, second = [{**group, "categories": categories} for categories in (["A+", "1", "-1"], ["A-", "-1", "a+"])]
    found = merged(schema(first, DOSE), schema(second, DOSE))
    assert found.schema.features[0].category_texts == ("A+", "1", "-1", "A-")
    said = " ".join(note.message for note in found.notes)
    assert "'A-' is in b.json alone" in said and "is it" not in said
