"""Asking an authority for time stamps (RFC 3161 over HTTP)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx
from cryptography.x509 import Certificate

from fedtrain.client.proxies import connecting, proxy_for, unreachable_through
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.service.timestamps.stamp import MOST_STAMP_BYTES, Stamp, StampError, check_stamp, stamped_bytes

#: For a whole answer, however slowly it comes.
TIMEOUT_S: Final = 30.0
_QUERY_TYPE: Final = "application/timestamp-query"


class Authority:
    """Dates signed documents. It is told a hash alone, and a number that its answer has to repeat."""

    def __init__(self, url: str, roots: Sequence[Certificate], timeout_s: float = TIMEOUT_S) -> None:
        """Raises ProxyError."""
        self.url = url
        self._roots = tuple(roots)
        self._timeout_s = timeout_s
        self._proxy = proxy_for(url)

    async def stamp(self, signed: SignedDocument) -> Stamp:
        """Return a stamp that holds.

        Raises StampError where the authority is away, refuses, or answers with anything else.
        """
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

        question = TimestampRequestBuilder(stamped_bytes(signed), HashAlgorithm.SHA512).build()
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._asked(question.as_bytes())
        except TimeoutError:
            raise StampError(f"{self.url} has not answered within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise StampError(f"{self.url} is not reached: {unreachable_through(self._proxy, error)}") from None
        await asyncio.to_thread(check_stamp, response, signed, self._roots, question.nonce)
        return Stamp(signed=signed, response=response.hex())

    async def _asked(self, question: bytes) -> bytes:
        # What an authority packs is not unpacked: a few bytes could become any number.
        headers = {"Content-Type": _QUERY_TYPE, "Accept-Encoding": "identity"}
        async with (
            httpx.AsyncClient(timeout=self._timeout_s, **connecting(True, self._proxy)) as http,
            http.stream("POST", self.url, content=question, headers=headers) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise StampError(f"{self.url} answers with status {response.status_code}")
            content = bytearray()
            async for part in response.aiter_raw():
                content += part
                if len(content) > MOST_STAMP_BYTES:
                    raise StampError(f"{self.url} answers with more than {MOST_STAMP_BYTES:,} bytes")
        return bytes(content)
