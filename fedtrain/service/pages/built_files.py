"""The pages as they were built from `ui/`: one document at `/`, and what it loads under `/pages/`.

They are the same at all three parties and hold no data: what a page shows it asks of this service's other routes.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Response

from fedtrain.service.web.documentation import PAGE_HEADERS
from fedtrain.spec.problems import Code, Problem

#: All that lies below is public: the same bytes for everybody.
PREFIX = "/pages/"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
#: Files whose names hold their content's hash.
_IMMUTABLE = "immutable/"


@cache
def _built() -> dict[str, bytes]:
    """Return every built file by its path."""
    return dict(_below(files("fedtrain.service.pages") / "built", ""))


def _below(folder: Traversable, path: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in folder.iterdir():
        name = path + entry.name
        found += _below(entry, f"{name}/") if entry.is_dir() else [(name, entry.read_bytes())]
    return found


def document() -> bytes:
    """Return the one HTML document that every page lives in."""
    return _built()["index.html"]


def routes() -> APIRouter:
    """Return the routes of what the document loads."""
    router = APIRouter(include_in_schema=False)

    @router.get(PREFIX + "{path:path}")
    def built_file(path: str) -> Response:
        content = _built().get(PREFIX[1:] + path)
        media_type = _MEDIA_TYPES.get("." + path.rpartition(".")[2])
        if content is None or media_type is None:
            raise Problem(Code.NOT_FOUND, f"There is nothing at {PREFIX}{path[:100]}.")
        kept = "public, max-age=31536000, immutable" if path.startswith(_IMMUTABLE) else "no-cache"
        return Response(content, media_type=media_type, headers={**PAGE_HEADERS, "Cache-Control": kept})

    return router
