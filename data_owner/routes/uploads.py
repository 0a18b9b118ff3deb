"""A table that comes as a request's body, streamed to disk under its own hash."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex


async def save_upload(folder: Path, suffix: str, chunks: AsyncIterator[bytes]) -> Path:
    """Write the chunks to `folder`/SHA-256+suffix, mode 0600, whole or not at all; return the path."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = folder / f".{token_hex(8)}.part"
    digest = hashlib.sha256()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            async for chunk in chunks:
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        path = folder / f"{digest.hexdigest()}{suffix}"
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
