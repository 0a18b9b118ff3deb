"""A dataset's card: what its owner says of it to those who look for data, signed by the owner.

The Facilitator keeps cards and finds them; it can leave one out, and change none. A card has an end, so that one which
was withdrawn cannot be shown for ever. It says what its owner wrote, and no count, value or range beside.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, StrictInt, StrictStr, model_validator

from fedtrain.protocol.documents.signed import Document, Name, PartyId, SignedDocument, open_document
from fedtrain.spec.columns import MAX_COLUMNS, MAX_NAME, Category, DataProps, FeatureType, Number, Strict
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.roles import as_feature

#: A card's text and its columns, as JSON within JSON.
CARD_BYTES: Final = 1 << 20
MOST_TAGS: Final = 32
#: Revision and number of the last card of a page.
CURSOR: Final = r"^[0-9]{1,16}-[0-9]{1,18}$"
MOST_READERS: Final = 1000
#: Years enough to forget a card.
MOST_DAYS: Final = 400
#: Rows, as bands that tell no count: what an owner may say, and need not.
SizeBand = Literal["below 1,000", "1,000 to 10,000", "10,000 to 100,000", "100,000 to 1,000,000", "above 1,000,000"]


def _one_line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("one line of printable text is needed, without spaces around it")
    return text


def readable(text: str) -> str:
    """Return a text that lines may break in. Raises ValueError for what is not seen, or changes how text is shown."""
    if not text.replace("\n", "").isprintable():
        raise ValueError("it has a control character, or a mark that changes how other text is shown")
    return text


Title = Annotated[StrictStr, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Text = Annotated[StrictStr, Field(max_length=5000), AfterValidator(readable)]
Tag = Annotated[StrictStr, Field(pattern=r"^[a-z0-9][a-z0-9 ._-]{0,49}$")]
Readers = Annotated[tuple[PartyId, ...], Field(max_length=MOST_READERS)]


class CardColumn(Strict):
    """A column that jobs may use. `range` and `categories` only where the owner says so."""

    name: Annotated[StrictStr, Field(min_length=1, max_length=MAX_NAME)]
    type: FeatureType
    description: Annotated[StrictStr, Field(max_length=2000)] = ""
    range: tuple[Number, Number] | None = None
    categories: Annotated[tuple[Category, ...], Field(max_length=10_000)] | None = None


class CardTerms(Strict):
    """A card as its owner writes it; who it is and the columns come from the registration.

    `columns`: "names" with types and descriptions, "ranges" with what the schema declares of their values, or "none".
    `visible_to`: parties; everybody who may use the Facilitator where it is left out. `days`: how long it is shown.
    """

    title: Title
    description: Text = ""
    tags: Annotated[tuple[Tag, ...], Field(max_length=MOST_TAGS)] = ()
    terms: Text = ""
    size: SizeBand | None = None
    columns: Literal["names", "ranges", "none"] = "names"
    visible_to: Readers | None = None
    days: Annotated[StrictInt, Field(ge=1, le=MOST_DAYS)] = 180


class Card(Document):
    """Words of an owner about one dataset. A later `revision` takes an earlier one's place; milliseconds since 1970.

    `name`: the owner's own. `visible_to`: as in CardTerms.
    """

    party: PartyId
    name: Name
    dataset: Name
    revision: Annotated[StrictInt, Field(ge=1, lt=1 << 53)]
    not_after: AwareDatetime
    title: Title
    description: Text = ""
    tags: Annotated[tuple[Tag, ...], Field(max_length=MOST_TAGS)] = ()
    columns: Annotated[tuple[CardColumn, ...], Field(max_length=MAX_COLUMNS)] = ()
    terms: Text = ""
    size: SizeBand | None = None
    visible_to: Readers | None = None
    membership: SignedDocument | None = None

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len(set(self.tags)) < len(self.tags):
            raise ValueError("tags: one is given twice")
        return self

    def is_over(self, now: datetime) -> bool:
        """Return True once the card is to be shown no more."""
        return now >= self.not_after

    @property
    def text(self) -> str:
        """Everything that words are looked for in."""
        columns = (f"{column.name} {column.description}" for column in self.columns)
        return " ".join((self.title, self.description, *self.tags, self.dataset, self.name, *columns))


class CardWithdrawal(Document):
    """An owner takes a dataset's card back: none of an earlier revision is to be shown any more."""

    party: PartyId
    dataset: Name
    revision: Annotated[StrictInt, Field(ge=1, lt=1 << 53)]


class CardList(Strict):
    """Cards that were found, the newest first. `next`: what to ask for the following ones, None at the end."""

    cards: Annotated[tuple[SignedDocument, ...], Field(max_length=100)]
    next: Annotated[str, Field(pattern=CURSOR)] | None = None


def open_card(signed: SignedDocument, party: str | None = None) -> Card:
    """Return a card that its own owner signed, `party` where that is known.

    Raises Problem: BAD_SIGNATURE where it is another's or was changed, MALFORMED_MESSAGE, PROTOCOL_VERSION.
    """
    card = open_document(signed, Card, signer=party)
    _check_owner(card.party, signed)
    return card


def open_withdrawal(signed: SignedDocument, party: str) -> CardWithdrawal:
    """Return what takes a card back. Raises Problem as `open_card`."""
    withdrawal = open_document(signed, CardWithdrawal, signer=party)
    _check_owner(withdrawal.party, signed)
    return withdrawal


def _check_owner(party: str, signed: SignedDocument) -> None:
    if party != signed.signer:
        why = f"The card is of {party[:16]}…, and signed by {signed.signer[:16]}…: each owner signs its own."
        raise Problem(Code.BAD_SIGNATURE, why)


def card_columns(schema: DataProps | None, shown: Literal["names", "ranges", "none"]) -> tuple[CardColumn, ...]:
    """Return what a card says of a schema's columns."""
    if schema is None or shown == "none":
        return ()
    columns = []
    for declared in schema.columns:
        column = as_feature(declared)
        values = {"range": column.range, "categories": column.categories} if shown == "ranges" else {}
        columns.append(
            CardColumn.model_validate(
                {"name": column.label, "type": column.type, "description": column.description, **values}
            )
        )
    return tuple(columns)


def words_of(text: str) -> list[str]:
    """Return the words of a text as they are looked for: without case and accents, letters and digits alone."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.findall(r"[^\W_]+", "".join(one for one in plain if not unicodedata.combining(one)))
