"""A first mapping file for a table and a schema, made by looking at both, for the table's owner to correct.

It says what it is sure of (a name or a value that differs by case, spaces or accents), guesses what it can and marks
each guess with "?", and asks about the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fedtrain.spec.columns import Column, DataProps, category_text
from fedtrain.tabular.mapping.look import Look, look_at
from fedtrain.tabular.mapping.matching import folded, folded_value, like_name, same_category, same_name, units_between

#: How people write that there is no value, without case and punctuation; codes of numbers show by where they lie.
_NO_VALUE: Final = frozenset(
    re.findall(
        r"\w+",
        "na nan none null nil unknown unk missing nodata notknown notavailable notrecorded ka keineangabe unbekannt "
        "fehlt fehlend inconnu desconocido empty leer blank nd nr",
    )
)
_MOST_RECODED: Final = 40


@dataclass
class DraftedColumn:
    """The rules of one column of the schema, by field, and what its owner is asked about them."""

    name: str
    rules: dict[str, Any] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    found: bool = True

    @property
    def needed(self) -> bool:
        """True where the file has something to say of it."""
        return bool(self.rules or self.questions)


@dataclass
class MappingDraft:
    """A draft. `unused`: columns of the table that the schema has no use for."""

    columns: list[DraftedColumn]
    unused: list[str]

    def to_toml(self) -> str:
        """Return the mapping file's text; questions are comments in it, and so is a column that was not found."""
        lines = ["# Drafted by looking at the table: correct it, and see what it does with `fedtrain check --mapping`."]
        for column in self.columns:
            if not column.needed:
                continue
            lead = "" if column.found else "# "
            lines += ["", *(f"# ? {question}" for question in column.questions)]
            lines.append(f"{lead}[columns.{_quoted(column.name)}]")
            lines += [f"{lead}{key} = {_toml(value)}" for key, value in column.rules.items()]
        if self.unused:
            lines += ["", f"# not used: {', '.join(map(_quoted, self.unused))}"]
        return "\n".join(lines) + "\n"

    @property
    def questions(self) -> list[str]:
        """All questions, each with its column."""
        return [f"{column.name}: {question}" for column in self.columns for question in column.questions]


def draft_mapping(path: str | Path, schema: DataProps) -> MappingDraft:
    """Draft a mapping that reads the table at `path` as `schema` declares. Raises TableError."""
    looks = look_at(path, schema.header)
    wanted = [column for column in schema.columns if column.name is not None]
    pairs, guessed = _paired([str(column.name) for column in wanted], [look.name for look in looks])
    drafted = []
    for column in wanted:
        name = str(column.name)
        place = pairs.get(name)
        if place is None:
            drafted.append(
                DraftedColumn(name, {"from": ""}, ["no column of the table seems to be this one"], found=False)
            )
            continue
        one = DraftedColumn(name)
        if looks[place].name != name:
            unique = [look.name for look in looks].count(looks[place].name) == 1 and looks[place].name
            one.rules["from"] = looks[place].name if unique else place
        if name in guessed:
            one.questions.append(f"is {looks[place].name!r} this column?")
        _rules(one, looks[place], column)
        drafted.append(one)
    used = {*pairs.values(), *(column.col_idx for column in schema.columns)}
    unused = [look.name for look in looks if look.position not in used]
    return MappingDraft(drafted, unused)


def _paired(wanted: Sequence[str], names: Sequence[str]) -> tuple[dict[str, int], set[str]]:
    """Each wanted name with the place of its column, the surest first, and the names that are guesses."""
    pairs: dict[str, int] = {}
    guessed: set[str] = set()
    for rule in (_equal, same_name, like_name):
        for name in wanted:
            free = [one for place, one in enumerate(names) if place not in pairs.values()]
            found = [] if name in pairs else rule(name, free)
            if len(found) == 1 or (found and rule is like_name):
                pairs[name] = next(
                    place for place, one in enumerate(names) if one == found[0] and place not in pairs.values()
                )
                if rule is like_name:
                    guessed.add(name)
    return pairs, guessed


def _equal(name: str, others: Sequence[str]) -> list[str]:
    return [other for other in others if other == name]


def _rules(drafted: DraftedColumn, look: Look, column: Column) -> None:
    if column.categories is not None:
        _of_categories(drafted, look, column.category_texts)
    elif column.range is not None and (look.typed_date or look.date_forms):
        _of_dates(drafted, look)
    elif column.range is not None:
        _of_numbers(drafted, look, column.range)


def _of_categories(drafted: DraftedColumn, look: Look, categories: Sequence[str]) -> None:
    if look.every is None:
        drafted.questions.append("it holds too many different texts for a column of categories")
        return
    recode: dict[str, str] = {}
    missing, open_texts = [], []
    for text, _ in look.every.most_common():
        if category_text(text) in categories:
            continue
        meant, sure = same_category(text, categories)
        key = " ".join(text.casefold().split())
        if folded(text) in _NO_VALUE:
            missing.append(key)
        elif meant is not None:
            if recode.setdefault(key, meant) != meant or not sure:
                drafted.questions.append(f"does {text!r} mean {meant!r}?")
        else:
            open_texts.append(text)
    if recode or missing:
        # A category that is right as it stands must stay so once texts are compared without case.
        right = {" ".join(text.casefold().split()) for text in look.every if category_text(text) in categories}
        drafted.rules["fold"] = True
        missing = [text for text in dict.fromkeys(missing) if text not in right]
        recode = {
            text: meant
            for text, meant in recode.items()
            if text not in right or folded_value(text) == folded_value(meant)
        }
    if recode:
        drafted.rules["recode"] = dict(list(recode.items())[:_MOST_RECODED])
    if missing:
        drafted.rules["missing"] = missing
    if open_texts:
        some = ", ".join(repr(text) for text in open_texts[:10])
        drafted.questions.append(
            f"what do {some} mean, of {', '.join(categories[:10])}? recode them, or add to missing"
        )


def _of_dates(drafted: DraftedColumn, look: Look) -> None:
    forms = look.date_forms or ["%Y-%m-%d"]
    drafted.rules["date"] = forms[0]
    if len(forms) > 1:
        drafted.questions.append(f"the dates could also be of the form {', '.join(map(repr, forms[1:]))}")
    _no_values(drafted, look)
    drafted.questions.append('count from which day, in which unit? since = 1970-01-01 and unit = "days" where not said')


def _of_numbers(drafted: DraftedColumn, look: Look, declared: tuple[float, float]) -> None:
    if look.ambiguous:
        drafted.questions.append('its numbers read in two ways: decimal = "," or "."?')
    elif look.marks is not None and look.marks.decimal == ",":
        drafted.rules["decimal"] = ","
    _no_values(drafted, look)
    unit = units_between(look.name, drafted.name)
    low, high = declared
    if unit is not None:
        factor, offset = unit
        drafted.rules["factor"] = factor
        if offset:
            drafted.rules["offset"] = offset
        low, high = sorted((end - offset) / factor for end in declared)
    codes = []
    for end, sign, outside in (
        (look.extremes.lower, 1, look.extremes.low < low),
        (look.extremes.upper, -1, look.extremes.high > high),
    ):
        code = sign * end.value
        if outside and low <= sign * end.next <= high and (end.count > 1 or _usual(code)):
            codes.append(int(code) if code.is_integer() else code)
    if codes:
        drafted.rules["missing"] = [*drafted.rules.get("missing", []), *codes]
        drafted.questions.append(f"do {', '.join(map(str, codes))} mean that there is no value?")
    elif look.extremes.count and (look.extremes.high < low or look.extremes.low > high):
        drafted.questions.append(f"all its values are outside {low:g} to {high:g}: has it another unit (factor)?")


def _usual(code: float) -> bool:
    return code.is_integer() and set(str(abs(int(code)))) in ({"9"}, {"8"}, {"1"})


def _no_values(drafted: DraftedColumn, look: Look) -> None:
    """Texts among numbers or dates that say that there is no value, and those that it is asked about."""
    texts = list(look.texts or ())
    missing = [text for text in texts if folded(text) in _NO_VALUE]
    if missing:
        drafted.rules["fold"] = True
        drafted.rules["missing"] = list(dict.fromkeys(" ".join(text.casefold().split()) for text in missing))
    others = [text for text in texts if text not in missing] if not look.date_forms else []
    if look.texts is None and not look.date_forms:
        drafted.questions.append("many of its values are no numbers")
    elif others:
        some = ", ".join(repr(text) for text in others[:10])
        drafted.questions.append(f"{some} are no numbers: add them to missing, or recode them")


def _quoted(text: str) -> str:
    plain = text != "" and text.isascii() and text.replace("_", "").replace("-", "").isalnum()
    return text if plain else _toml(text)


def _toml(value: Any) -> str:
    """A value as TOML has it: JSON's strings, numbers and lists are TOML's, too, but for one control character."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
