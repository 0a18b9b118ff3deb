"""A request's body on its way to the disk: written as it comes, under its own hash."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex

from fedtrain.protocol.messages.pieces import Filed

PART = ".part"


async def save_stream(folder: Path, suffix: str, chunks: AsyncIterator[bytes]) -> tuple[Path, Filed]:
    """Write the chunks to `folder`/SHA-256+suffix, mode 0600, whole or not at all; return the path, and what is there.

    Raises OSError, and what `chunks` raises.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = folder / f".{token_hex(8)}{PART}"
    digest, size_bytes = hashlib.sha256(), 0
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            async for chunk in chunks:
                digest.update(chunk)
                size_bytes += len(chunk)
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        path = folder / f"{digest.hexdigest()}{suffix}"
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path, Filed(digest.hexdigest(), size_bytes)
