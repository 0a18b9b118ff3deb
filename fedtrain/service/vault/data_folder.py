"""Files that a request names: only those below the party's data folder."""

from __future__ import annotations

from pathlib import Path

from fedtrain.spec.problems import Code, Problem

SHOWN_CHARACTERS = 200


def file_in(folder: Path, given: str) -> Path:
    """Return the file that `given` names below `folder`, links resolved. Reads the file system.

    Raises Problem(INVALID_REQUEST), naming the field `path`, for one outside the folder, one that is not there, and a
    name that the file system does not take.
    """
    root = folder.resolve()
    shown = given[:SHOWN_CHARACTERS]
    try:
        path = (root / given).resolve()
        if not path.is_relative_to(root) or path == root:
            raise _refused(shown, f"is not under the data folder {root}: move the file there, or upload it")
        if not path.is_file():
            raise _refused(shown, f"is no file under the data folder {root}")
    except (OSError, ValueError):
        # Too long for the file system, or with a NUL byte in it.
        raise _refused(shown, "is not a name that a file can have") from None
    return path


def _refused(shown: str, why: str) -> Problem:
    return Problem(
        Code.INVALID_REQUEST,
        f"path {shown!r} {why}.",
        errors=[{"field": "path", "message": why, "value": shown}],
    )
