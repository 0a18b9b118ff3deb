"""A peer whose answer of a thousand bytes would unpack to any size in the memory of a party that keeps running."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.roomy import ROOMY

pytestmark = pytest.mark.anyio

JOB = "0" * 32


class Sent(httpx.AsyncByteStream):
    """A body as it comes over the wire."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


def packed(packings: int, status: int) -> httpx.Response:
    """An answer of 64 MB of zeros, packed so often."""
    content = bytes(64 << 20)
    for _ in range(packings):
        content = gzip.compress(content, 1)
    headers = {"Content-Encoding": ", ".join(["gzip"] * packings), "Content-Type": "application/problem+json"}
    return httpx.Response(status, headers=headers, stream=Sent(content))


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("packings", [1, 2])
async def test_what_the_facilitator_packs_is_not_unpacked(packings: int, status: int) -> None:
    transport = httpx.MockTransport(lambda _request: packed(packings, status))
    client = FacilitatorClient("http://facilitator.invalid", party_id="ab" * 32, transport=transport)
    for asked in (client.identity(), client.manifest(JOB), client.log_entry(JOB, 0, ROOMY)):
        with pytest.raises(Problem, match="answered packed as 'gzip") as caught:
            await asked
        assert caught.value.code is Code.MALFORMED_MESSAGE
    assert client.bytes_received == 0
    await client.aclose()
