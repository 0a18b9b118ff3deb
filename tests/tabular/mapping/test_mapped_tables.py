"""A messy table under its owner's mapping gives the numbers of the table that was cleaned by hand."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from fedtrain.spec.model_spec import Column, DataProps, ModelType
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular import ColumnMismatch, Encoder
from fedtrain.tabular.check import check_table
from fedtrain.tabular.errors import BadValues
from fedtrain.tabular.mapping.effects import mapping_effects
from fedtrain.tabular.mapping.file import Mapping, read_mapping
from fedtrain.tabular.reading.convert import to_numbers
from fedtrain.tabular.reading.read import open_declared_table, open_mapped_table

SCHEMA = {
    "features": [
        {"name": "sex", "type": "nominal", "categories": ["F", "M"]},
        {"name": "weight_kg", "type": "continuous", "range": [0, 200], "missing": "drop"},
        {"name": "admitted", "type": "continuous", "range": [0, 50]},
    ],
    "target": {"name": "days", "range": [0, 100]},
}
MESSY = """Geschlecht;weight (lb);Aufnahme;days
männlich;1.100,5;01.01.2000;3
 WEIBLICH ;220,25;31.12.2009;4
Weiblich;-999;01.07.2020;5
m ;330,0;29.02.2004;6
"""
CLEAN = """sex,weight_kg,admitted,days
M,499.178403185,0,3
F,99.9037194925,3652,4
F,,7487,5
M,149.6854821,1520,6
"""
RULES = """
# this clinic's own
[columns.sex]
from = "Geschlecht"
fold = true
recode = {"männlich" = "M", "m" = "M", "weiblich" = "F"}

[columns.weight_kg]
from = "weight (lb)"
decimal = ","
thousands = "."
missing = [-999]
factor = 0.45359237
offset = 0

[columns.admitted]
from = "Aufnahme"
date = "%d.%m.%Y"
since = 2000-01-01
"""


def props(**admitted: Any) -> DataProps:
    features = [dict(one) for one in SCHEMA["features"]]  # type: ignore[union-attr]
    features[2] |= {"range": [0, 10_000], **admitted}
    return DataProps.model_validate(
        {**SCHEMA, "features": [*features[:1], {**features[1], "range": [0, 600]}, features[2]]}
    )


def rows(path: Path, mapping: Mapping | None, declared: DataProps) -> tuple[np.ndarray, np.ndarray]:
    encoder = Encoder(declared, ModelType.LINEAR_REGRESSION, "none")
    batches = list(encoder.encode_all(open_declared_table(path, declared, mapping).batches(encoder.columns, 2)))
    return np.concatenate([one.X for one in batches]), np.concatenate([one.Y for one in batches])


def written(folder: Path, content: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_a_mapped_table_gives_what_the_cleaned_one_does(tmp_path: Path) -> None:
    messy, clean = written(tmp_path, MESSY), written(tmp_path, CLEAN, "clean.csv")
    for found, expected in zip(rows(messy, Mapping.from_toml(RULES), props()), rows(clean, None, props()), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert check_table(messy, props(), None, mapping=Mapping.from_toml(RULES)).usable


def test_a_parquet_file_with_codes_and_dates_of_its_own_types_is_mapped_too(tmp_path: Path) -> None:
    days = [
        datetime.date(2000, 1, 1),
        datetime.date(2009, 12, 31),
        datetime.date(2020, 7, 1),
        datetime.date(2004, 2, 29),
    ]
    table = pa.table(
        {
            "Geschlecht": pa.array([1, 2, 2, 1], pa.int8()),
            "w": [1100.5, 220.25, -999.0, 330.0],
            "Aufnahme": pa.array(days, pa.date32()),
            "days": [3, 4, 5, 6],
        }
    )
    pa.parquet.write_table(table, tmp_path / "table.parquet")
    rules = RULES.replace('"männlich" = "M", "m" = "M", "weiblich" = "F"', '"1" = "M", "2" = "F"')
    mapping = Mapping.from_toml(rules.replace("weight (lb)", "w").replace('decimal = ","\nthousands = "."', ""))
    found = rows(tmp_path / "table.parquet", mapping, props())
    for one, other in zip(found, rows(written(tmp_path, CLEAN), None, props()), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("decimal", [",", "."])
def test_a_parquet_file_of_decimals_is_read_as_the_numbers_that_they_are(tmp_path: Path, decimal: str) -> None:
    numbers = [Decimal("1.500"), Decimal("-999.000"), Decimal("2.250"), None]
    table = pa.table({"w": pa.array(numbers, pa.decimal128(9, 3))})
    pa.parquet.write_table(table, tmp_path / "table.parquet")
    mapping = Mapping.from_toml(f'[columns.w]\ndecimal = "{decimal}"\nmissing = [-999]\n')
    column = Column(name="w")
    (batch,) = open_mapped_table(tmp_path / "table.parquet", mapping).batches([column])
    values, faults = to_numbers(*batch.cells[0])
    assert faults == ()
    np.testing.assert_array_equal(values, [1.5, np.nan, 2.25, np.nan])


def test_a_table_without_a_header_takes_its_names_from_the_mapping(tmp_path: Path) -> None:
    path = written(tmp_path, "".join(MESSY.splitlines(keepends=True)[1:]))
    rules = RULES.replace('"Geschlecht"', "0").replace('"weight (lb)"', "1").replace('"Aufnahme"', "2")
    mapping = Mapping.from_toml("header = false\n" + rules + "\n[columns.days]\nfrom = 3\n")
    assert len(rows(path, mapping, props())[0]) == 3


def test_an_age_in_years_counts_the_calendars_mean_year(tmp_path: Path) -> None:
    path = written(tmp_path, MESSY)
    mapping = Mapping.from_toml(RULES + 'unit = "years"\n')
    X, _ = rows(path, mapping, props(range=[0, 50]))
    assert X[1, 2] == pytest.approx(3652 / 365.2425, rel=1e-15)


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("31.12.2009", "31.02.2009", "text-in-numeric-column", "no date: 31.02.2009"),
        ("31.12.2009", "2009", "text-in-numeric-column", "no date: 2009"),
        (" WEIBLICH ", "divers", "unknown-category", "'divers'"),
        ("220,25", "22O,25", "text-in-numeric-column", "'22O,25'"),
        ("220,25", "220.25", "text-in-numeric-column", "'220.25'"),
    ],
)
def test_a_value_that_no_rule_fits_is_refused_as_it_stands(
    tmp_path: Path, old: str, new: str, code: str, said: str
) -> None:
    path = written(tmp_path, MESSY.replace(old, new))
    with pytest.raises(BadValues) as refused:
        rows(path, Mapping.from_toml(RULES), props())
    assert refused.value.code == code and said in refused.value.message and "record 2" in refused.value.message


def test_a_number_that_reads_in_two_ways_stays_refused_under_a_factor(tmp_path: Path) -> None:
    path = written(tmp_path, "a,y\n1.234,1\n5.678,2\n")
    declared = DataProps.model_validate(
        {
            "features": [{"name": "a", "type": "continuous", "range": [0, 99_999]}],
            "target": {"name": "y", "range": [0, 9]},
        }
    )
    with pytest.raises(BadValues, match="decimal comma") as refused:
        rows(path, Mapping.from_toml("[columns.a]\nfactor = 2\n"), declared)
    assert refused.value.code == "number-ambiguous"
    X, _ = rows(path, Mapping.from_toml('decimal = "."\n[columns.a]\nfactor = 2\n'), declared)
    assert X[:, 0].tolist() == [2.468, 11.356]


def test_the_declared_range_settles_marks_in_the_tables_own_unit(tmp_path: Path) -> None:
    path = written(tmp_path, "a,y\n1.234,1\n5.678,2\n")
    declared = DataProps.model_validate(
        {"features": [{"name": "a", "type": "continuous", "range": [1, 6]}], "target": {"name": "y", "range": [0, 9]}}
    )
    X, _ = rows(path, Mapping.from_toml("[columns.a]\nfactor = 0.001\n"), declared)
    assert X[:, 0].tolist() == [1.234, 5.678]


def test_a_column_that_has_a_mapped_ones_name_gives_way_to_it(tmp_path: Path) -> None:
    path = written(tmp_path, "sex,code,y\nx,1,1\nx,2,2\n")
    table = open_declared_table(path, props(), Mapping.from_toml('[columns.sex]\nfrom = "code"\n'))
    assert table.columns == ("sex (unmapped)", "sex", "y")


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('[columns.sex]\nfrom = "Sex"\n', "no column 'Sex'; it has 'Geschlecht'"),
        ("[columns.sex]\nfrom = 9\n", "no column 9"),
        ('[columns.sex]\nfrom = "Geschlecht"\n[columns.other]\nfrom = 0\n', "'sex' and 'other' from one column"),
    ],
)
def test_a_rule_without_its_column_is_refused_by_name(tmp_path: Path, rules: str, said: str) -> None:
    with pytest.raises(ColumnMismatch, match=said):
        open_declared_table(written(tmp_path, MESSY), props(), Mapping.from_toml(rules))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("columns.sex = 3", "columns.sex"),
        ("[columns.sex]\nform = 'x'", "columns.sex.form: Extra inputs"),
        ("[columns.sex", "not TOML"),
        ('[columns.a]\ndate = "%d.%m.%y"', "%y leaves the century open"),
        ('[columns.a]\ndate = "%Y-%W"', "%W counts weeks"),
        ('[columns.a]\ndate = "%Y %U %w"', "%U counts weeks"),
        ('[columns.a]\ndate = "%G-%V-%u"', "%G counts weeks"),
        ('[columns.a]\ndate = "%Y-%m-%d %u"', "%u counts weeks"),
        ('[columns.a]\ndate = "%Y-%m-%d %w"', "%w counts weeks"),
        ('[columns.a]\ndate = "%Y-%m-%d %I:%M"', "%I counts twelve hours"),
        ('[columns.a]\ndate = "%%Y-%m-%d"', "has no %Y"),
        ('[columns.a]\ndate = "%d.%b.%Y"', "depends on a language"),
        ('[columns.a]\ndate = "%d.%m."', "no %Y"),
        ("[columns.a]\nfactor = 0", "makes all values one"),
        ("[columns.a]\nfactor = inf", "columns.a.factor"),
        ("[columns.a]\nunit = 'days'", "belong to a date"),
        ("[columns.a]\ndate = '%Y'\nfactor = 2", "a date takes no"),
        ("[columns.a]\nfold = true\nrecode = {M = 1, m = 2}", "given twice"),
        ("[columns.a]\nmissing = ['x']\nrecode = {x = 1}", "in missing and in recode"),
        ("[columns.a]\nrecode = {x = 0.5}", "declare decimal"),
        ("[columns.a]\nfrom = 'x'\n[columns.b]\nfrom = 'x'", "'x' is the source of columns.a"),
        ("decimal = ','\nthousands = ','", "two different marks"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused_by_field(tmp_path: Path, rules: str, said: str) -> None:
    with pytest.raises(Problem) as refused:
        read_mapping(written(tmp_path, rules, "mapping.toml"))
    assert refused.value.code is Code.INVALID_REQUEST
    assert said in refused.value.detail and "mapping.toml" in refused.value.detail


def test_the_hash_follows_what_a_mapping_says_and_not_how_it_is_written() -> None:
    first = Mapping.from_toml(RULES).digest()
    assert Mapping.from_toml(RULES.replace("# this clinic's own", "# ours") + "\n\n").digest() == first
    assert Mapping.from_toml(RULES.replace('"m" = "M"', '"m" = "F"')).digest() != first
    again = Mapping.model_validate(Mapping.from_toml(RULES).model_dump(mode="json", by_alias=True))
    assert again.digest() == first


def test_the_effects_count_what_each_rule_touched(tmp_path: Path) -> None:
    sex, weight, admitted = mapping_effects(
        written(tmp_path, MESSY.replace("31.12.2009", "31.02.2009")), Mapping.from_toml(RULES)
    )
    assert (sex.column, sex.source, sex.values, sex.recoded, sex.missing) == ("sex", "Geschlecht", 4, 4, 0)
    assert ("WEIBLICH", "F", 1) in sex.listed and ("männlich", "M", 1) in sex.listed
    assert (weight.missing, weight.listed, weight.unit) == (1, [("-999", None, 1)], (0.45359237, 0.0))
    assert (admitted.recoded, admitted.no_date) == (3, 1)
