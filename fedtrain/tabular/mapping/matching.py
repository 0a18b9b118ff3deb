"""Names and values of two tables that may mean the same: guesses, for a person to hold against what they know."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_LIKE: Final = 0.75
#: Characters that people type, or programs put, for a minus.
_MINUS: Final = re.compile("[\u2010-\u2015\u2212\ufe63\uff0d]")
#: Units by the words that names have for them: what one of the first is, in the second.
_FACTORS: Final[dict[tuple[str, str], tuple[float, float]]] = {
    ("lb", "kg"): (0.45359237, 0.0),
    ("g", "kg"): (0.001, 0.0),
    ("kg", "g"): (1000.0, 0.0),
    ("mg", "g"): (0.001, 0.0),
    ("in", "cm"): (2.54, 0.0),
    ("m", "cm"): (100.0, 0.0),
    ("cm", "m"): (0.01, 0.0),
    ("mm", "cm"): (0.1, 0.0),
    ("months", "years"): (1 / 12, 0.0),
    ("years", "months"): (12.0, 0.0),
    ("weeks", "days"): (7.0, 0.0),
    ("hours", "days"): (1 / 24, 0.0),
    ("days", "hours"): (24.0, 0.0),
    ("f", "c"): (5 / 9, -160 / 9),
}
_SPELLINGS: Final = {
    "lbs": "lb",
    "pounds": "lb",
    "inch": "in",
    "inches": "in",
    "gram": "g",
    "grams": "g",
    "month": "months",
    "year": "years",
    "week": "weeks",
    "hour": "hours",
    "h": "hours",
    "day": "days",
    "fahrenheit": "f",
    "celsius": "c",
}


def folded(text: str) -> str:
    """Return a text without case, accents, and anything but letters and digits: "Größe (cm)" is "grossecm"."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss"))
    return "".join(letter for letter in plain if letter.isalnum())


def folded_value(text: str) -> str:
    """Return a value's text as `folded` does, but with the signs that make it another value.

    "-1" is not "1", nor "A-" "A+", "<5" "5", "1.5" "15", or "2-3" "23"; a hyphen within words says nothing.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss")).strip()
    plain = _MINUS.sub("-", plain)
    return "".join(letter for place, letter in enumerate(plain) if letter.isalnum() or _is_sign(letter, plain, place))


def _is_sign(letter: str, text: str, place: int) -> bool:
    before, after = text[:place], text[place + 1 :]
    if letter in ".,/:":
        return before[-1:].isdigit() and after[:1].isdigit()
    if letter == "-":
        before, after = before.rstrip()[-1:], after.lstrip()[:1]
        return not (before.isalnum() and after.isalnum()) or (before.isdigit() and after.isdigit())
    return unicodedata.category(letter) == "Sm" or letter in "%‰°"


def words(name: str) -> list[str]:
    """Return the words of a column's name, without case: "WeightKg", "weight_kg" and "weight (kg)" have two."""
    return [word.casefold() for word in re.findall(r"[^\W\d_]+?(?=[A-Z][a-z])|[^\W\d_]+|\d+", name)]


def same_name(name: str, others: Iterable[str]) -> list[str]:
    """Return those of the names that are this one but for case, spaces, accents and punctuation."""
    return [other for other in others if folded(other) == folded(name) != ""]


def like_name(name: str, others: Sequence[str]) -> list[str]:
    """Return names that are nearly this one, or share its longest word, the likeliest first."""
    by_folded = {folded(other): other for other in others}
    near = [by_folded[found] for found in difflib.get_close_matches(folded(name), by_folded, n=3, cutoff=_LIKE)]
    longest = max(words(name), key=len, default="")
    sharing = [other for other in others if len(longest) > 2 and longest in words(other)]
    return list(dict.fromkeys([*near, *sharing]))


def units_between(source: str, target: str) -> tuple[float, float] | None:
    """Return factor and offset from the unit that one column's name ends with to the other's; None where none is."""
    last = [_SPELLINGS.get(found[-1], found[-1]) if (found := words(name)) else "" for name in (source, target)]
    return _FACTORS.get((last[0], last[1]))


def same_category(text: str, categories: Sequence[str]) -> tuple[str | None, bool]:
    """Return the category that a value may mean, and whether only its spelling differs; None where that is open.

    A value that starts as one category alone does, or as which one category alone starts, is a guess.
    """
    plain = folded_value(text)
    spelt = [category for category in categories if folded_value(category) == plain]
    if len(spelt) == 1:
        return spelt[0], True
    starting = [category for category in categories if _starts(plain, folded_value(category))]
    return (starting[0], False) if len(starting) == 1 else (None, False)


def _starts(one: str, other: str) -> bool:
    """Say whether a text begins the other and only letters, or digits after letters, come after it."""
    short, long = sorted((one, other), key=len)
    rest = long[len(short) :]
    number_goes_on = short[-1:].isdigit() and rest[:1].isdigit()
    return short != "" and long.startswith(short) and (rest == "" or rest.isalnum()) and not number_goes_on
