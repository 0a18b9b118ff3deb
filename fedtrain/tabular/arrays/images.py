"""PNG and JPEG images as whole numbers from 0 to 255. Nothing is decoded that is not of the declared size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fedtrain.spec.model_spec import Feature
from fedtrain.tabular.arrays.faults import ArrayFault, ArrayValues, nulls, wrong_type
from fedtrain.tabular.errors import BadValues, UnreadableTable
from fedtrain.tabular.reading.convert import Mask

Pixels = NDArray[np.uint8]

#: Beside its pixels a file has colour profiles, thumbnails and the like.
_BESIDE_BYTES: Final = 1 << 20
#: Modes of Pillow that become 8 bits a channel without a choice: bits, grey, colours of a palette, colour.
_MODES: Final = {1: ("1", "L"), 3: ("1", "L", "P", "RGB")}
_CHANNELS: Final = {1: "grey of 8 bits", 3: "colour of 3 × 8 bits, without transparency,"}


class NotThisImage(Exception):  # noqa: N818 - named for what happened
    """An image that cannot be used. `what`: the image in words; `expected`: what would be right."""

    def __init__(self, code: str, what: str, expected: str) -> None:
        super().__init__(f"{what}; {expected}")
        self.code, self.what, self.expected = code, what, expected


def most_bytes(feature: Feature) -> int:
    """Return what the file of one image of the declared size may have."""
    return 4 * feature.width + _BESIDE_BYTES


def decoded(content: bytes, feature: Feature) -> Pixels:
    """(channels, height, width) of a PNG or JPEG. Raises NotThisImage, before decoding where its size is another.

    Raises UnreadableTable where Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        why = "images are read by Pillow, which is not installed here: it comes with the extra `images`"
        raise UnreadableTable("unreadable-image", f"{feature.label}: {why}") from None
    channels, height, width = feature.array_shape
    size = f"{width} × {height} pixels"
    if len(content) > most_bytes(feature):
        what = f"a file of {len(content):,} bytes"
        raise NotThisImage("wrong-shape", what, f"one of {size} has {most_bytes(feature):,} at most")
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            if image.size != (width, height):
                found = f"an image of {image.size[0]} × {image.size[1]} pixels"
                raise NotThisImage("wrong-shape", found, f"{size} are expected: scale it to that size")
            if image.mode not in _MODES[channels] or "transparency" in image.info:
                expected = f"{_CHANNELS[channels]} is expected, by its shape {list(feature.array_shape)}: convert it"
                raise NotThisImage("wrong-shape", f"an image of mode {image.mode}", expected)
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"), dtype=np.uint8)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise NotThisImage("wrong-shape", "an image of far more pixels", f"{size} are expected") from None
    except (OSError, SyntaxError, ValueError, EOFError, OverflowError) as error:
        what = "a file that is no PNG or JPEG" if isinstance(error, UnidentifiedImageError) else "a damaged image"
        raise NotThisImage("unreadable-image", what, "a whole PNG or JPEG file is expected") from None
    return pixels[None] if channels == 1 else np.moveaxis(pixels, -1, 0)


def read_images(array: Any, feature: Feature) -> ArrayValues:
    """(rows, width) uint8 of a pyarrow array of files' bytes."""
    if not any(is_bytes(array.type) for is_bytes in (pa.types.is_binary, pa.types.is_large_binary)):
        return wrong_type(array, feature.width, "the bytes of a PNG or JPEG are expected, or the path of such a file")
    missing = nulls(array)
    pixels: NDArray[np.uint8] = np.zeros((len(array), feature.width), dtype=np.uint8)
    wrong: dict[str, tuple[Mask, NotThisImage]] = {}
    for row in np.flatnonzero(~missing):
        try:
            pixels[row] = decoded(array[int(row)].as_py(), feature).ravel()
        except NotThisImage as error:
            rows, _ = wrong.setdefault(error.code, (np.zeros(len(array), dtype=bool), error))
            rows[row] = True
    faults = (ArrayFault(code, rows, error.what, error.expected) for code, (rows, error) in wrong.items())
    return ArrayValues(pixels, missing, tuple(faults))


def files_of(paths: Any, feature: Feature, folder: Path, first_row: int) -> Any:
    """A pyarrow array of the bytes of the files that an array of paths names, all of them below `folder`.

    An empty path is a missing value. Raises BadValues for a file that is not there, not below it, or too large.
    """
    root = folder.resolve()
    found: list[bytes | None] = []
    for row, path in enumerate(paths.to_pylist(), start=first_row):
        text = (path or "").strip()
        found.append(_content(root, text, feature, row) if text else None)
    return pa.array(found, pa.large_binary())


def _content(root: Path, text: str, feature: Feature, row: int) -> bytes:
    def refused(why: str) -> BadValues:
        message = f"{feature.label}: record {row} names {text!r}, {why}"
        return BadValues("unreadable-image", message, column=feature.label, rows=(row,))

    try:
        path = (root / text).resolve()
        if not path.is_relative_to(root):
            raise refused(f"which is not below the table's folder, {root}")
        if not path.is_file():
            raise refused(f"and there is no such file below the table's folder, {root}")
        with path.open("rb") as file:
            content = file.read(most_bytes(feature) + 1)
    except (OSError, ValueError) as error:
        raise refused(f"which cannot be read: {error}") from None
    return content
