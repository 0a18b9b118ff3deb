"""Signed documents in files, as people hand them to each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fedtrain.cli.output import Failure
from fedtrain.protocol.documents.signed import Document, SignedDocument, parse_json
from fedtrain.spec.problems import Problem


def read_signed(path: Path, opened: Callable[[SignedDocument], Document]) -> SignedDocument:
    """Return the signed document in a file that `opened` takes. Raises Failure, with the file's name, otherwise."""
    try:
        signed = parse_json(path.read_bytes(), SignedDocument)
        opened(signed)
    except Problem as problem:
        raise Failure(f"{path}: {problem.detail}") from None
    return signed
