"""Files that a request names: only those below the party's data folder."""

from __future__ import annotations

from pathlib import Path

from fedtrain.spec.problems import Code, Problem

SHOWN_CHARACTERS = 200


def file_in(folder: Path, given: str, field: str = "path") -> Path:
    """Return the file that `given` names below `folder`, links resolved. Reads the file system.

    Raises Problem(INVALID_REQUEST), naming the `field`, for one outside the folder, one that is not there, and a
    name that the file system does not take.
    """
    root = folder.resolve()
    shown = given[:SHOWN_CHARACTERS]
    try:
        path = (root / given).resolve()
        if not path.is_relative_to(root) or path == root:
            raise _refused(field, shown, f"is not under the data folder {root}: move the file there, or upload it")
        if not path.is_file():
            raise _refused(field, shown, f"is no file under the data folder {root}")
    except (OSError, ValueError):
        # Too long for the file system, or with a NUL byte in it.
        raise _refused(field, shown, "is not a name that a file can have") from None
    return path


def _refused(field: str, shown: str, why: str) -> Problem:
    return Problem(
        Code.INVALID_REQUEST,
        f"{field} {shown!r} {why}.",
        errors=[{"field": field, "message": why, "value": shown}],
    )
