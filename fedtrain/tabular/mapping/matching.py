"""Names and values of two tables that may mean the same: guesses, for a person to hold against what they know."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_LIKE: Final = 0.75
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
    plain = folded(text)
    spelt = [category for category in categories if folded(category) == plain]
    if len(spelt) == 1:
        return spelt[0], True
    starting = [
        category
        for category in categories
        if plain and folded(category) and (plain.startswith(folded(category)) or folded(category).startswith(plain))
    ]
    return (starting[0], False) if len(starting) == 1 else (None, False)
