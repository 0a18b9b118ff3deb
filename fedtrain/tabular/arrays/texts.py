"""Free text as whole-number ids: hashed words, so that parties need no shared list of them."""

from __future__ import annotations

import re
import unicodedata
import zlib
from itertools import islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fedtrain.spec.model_spec import Feature
from fedtrain.tabular.arrays.faults import ArrayFault, ArrayValues, nulls, wrong_type
from fedtrain.tabular.reading.convert import Ints, Mask

#: Of one text: some 150,000 words, of which a network is given the first few.
MOST_TEXT_BYTES: Final = 1 << 20
PADDING: Final = 0
_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_DIGIT: Final = re.compile(r"\d")


def words(text: str, most: int) -> list[str]:
    """The first `most` words of a text, in lower case and Unicode's form NFC: runs of letters, and runs of digits.

    Every digit is a 0: numbers count by their length, and a telephone number is no word of its own.
    """
    plain = unicodedata.normalize("NFC", text).lower()
    return [_DIGIT.sub("0", found.group()) for found in islice(_WORD.finditer(plain), most)]


def word_id(word: str, vocabulary: int) -> int:
    """1 to vocabulary − 1, by the CRC-32 of the word's UTF-8."""
    return 1 + zlib.crc32(word.encode()) % (vocabulary - 1)


def token_ids(text: str, vocabulary: int, tokens: int) -> list[int]:
    """`tokens` ids: those of the first words, padded on the left with 0, the padding."""
    found = [word_id(word, vocabulary) for word in words(text, tokens)]
    return [PADDING] * (tokens - len(found)) + found


def read_texts(array: Any, feature: Feature) -> ArrayValues:
    """(rows, tokens) int64 ids of a pyarrow array of strings. A text of spaces alone is missing."""
    vocabulary, tokens = feature.vocabulary or 2, feature.width
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return wrong_type(array, tokens, "a text is expected")
    missing = nulls(array)
    lengths = pc.fill_null(pc.binary_length(array), 0).to_numpy(zero_copy_only=False)
    long: Mask = lengths > MOST_TEXT_BYTES
    ids: Ints = np.zeros((len(array), tokens), dtype=np.int64)
    for row in np.flatnonzero(~missing & ~long):
        text = array[int(row)].as_py()
        if text.strip():
            ids[row] = token_ids(text, vocabulary, tokens)
        else:
            missing[row] = True
    if not long.any():
        return ArrayValues(ids, missing)
    example = f"a text of {int(lengths[int(np.argmax(long))]):,} bytes"
    expected = f"{MOST_TEXT_BYTES:,} at most: shorten it, of each text the first {tokens} words count"
    return ArrayValues(ids, missing, (ArrayFault("text-too-long", long, example, expected),))
