"""Bodies in files: as they come, as they are read, and what a crash or an altered file leaves."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.service.store import streamed_file
from fedtrain.service.store.body_files import BodyFile, BodyFiles, OpenedBodies, bytes_of, chunks_of
from fedtrain.spec.problems import Code, Problem

LARGE = os.urandom(5000)


@pytest.fixture
def bodies(tmp_path: Path) -> BodyFiles:
    return BodyFiles(tmp_path / "bodies", above_bytes=1000)


async def in_chunks(content: bytes, breaks_after: int | None = None) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 300):
        if breaks_after is not None and at >= breaks_after:
            raise ConnectionResetError
        yield content[at : at + 300]


def placed(bodies: BodyFiles, content: bytes) -> BodyFile:
    bodies.place(bodies.write((content,)))
    return bodies.at(sha256_hex(content), len(content))


def files(bodies: BodyFiles) -> list[str]:
    return sorted(path.name for path in bodies.folder.iterdir())


def test_a_large_body_is_written_as_it_comes_and_a_small_one_is_not(bodies: BodyFiles) -> None:
    for size in (0, 1, 999, 1000):
        assert asyncio.run(bodies.receive(in_chunks(LARGE[:size]))) == LARGE[:size]
    assert not bodies.folder.exists()
    for size in (1001, 5000):
        body = asyncio.run(bodies.receive(in_chunks(LARGE[:size])))
        assert isinstance(body, BodyFile)
        assert (body.hash, body.size_bytes, body.read()) == (sha256_hex(LARGE[:size]), size, LARGE[:size])
        assert stat.S_IMODE(body.path.stat().st_mode) == 0o600
        body.discard()
    assert files(bodies) == []


def test_a_body_that_breaks_off_leaves_nothing(bodies: BodyFiles) -> None:
    with pytest.raises(ConnectionResetError):
        asyncio.run(bodies.receive(in_chunks(LARGE, breaks_after=3000)))
    assert files(bodies) == []


def test_a_large_body_that_is_mapped_has_no_name_and_a_small_one_is_in_memory(bodies: BodyFiles) -> None:
    assert asyncio.run(bodies.receive_mapped(in_chunks(LARGE[:1000]))) == LARGE[:1000]
    mapped = asyncio.run(bodies.receive_mapped(in_chunks(LARGE)))
    assert not isinstance(mapped, bytes)
    assert (len(mapped), mapped[:]) == (len(LARGE), LARGE)
    assert files(bodies) == [], "a crash leaves none"
    with pytest.raises(TypeError):
        mapped[0] = 0  # type: ignore[index]
    with pytest.raises(ConnectionResetError):
        asyncio.run(bodies.receive_mapped(in_chunks(LARGE, breaks_after=3000)))
    assert files(bodies) == []


def test_a_body_that_finds_no_room_is_a_problem_and_leaves_nothing(
    bodies: BodyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(streamed_file.os, "fsync", no_room)
        with pytest.raises(Problem, match="the disk is full") as refused:
            asyncio.run(bodies.receive_mapped(in_chunks(LARGE)))
    assert (refused.value.code, files(bodies)) == (Code.STORE_UNAVAILABLE, [])
    assert asyncio.run(bodies.receive_mapped(in_chunks(LARGE)))[:] == LARGE


@pytest.mark.parametrize("error", [errno.EACCES, errno.EROFS, errno.EMFILE, errno.EIO])
def test_a_file_that_cannot_be_written_is_no_service_that_is_away(
    bodies: BodyFiles, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def broken(_file: int) -> None:
        raise OSError(error, os.strerror(error), str(bodies.folder))

    monkeypatch.setattr(streamed_file.os, "fsync", broken)
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=LARGE))
    client = FacilitatorClient("http://f", transport=transport, party_id="0" * 64)
    with pytest.raises(Problem, match=f"cannot be written now: {os.strerror(error)}") as refused:
        asyncio.run(client.task_request("1" * 32, 50_000, bodies.receive_mapped))
    assert (refused.value.code, files(bodies)) == (Code.STORE_UNAVAILABLE, [])
    assert str(bodies.folder) not in refused.value.detail


def test_a_file_that_cannot_be_mapped_is_no_unusable_address(
    bodies: BodyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_file: int) -> None:
        raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(streamed_file.os, "fsync", broken)
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=LARGE))
    client = FacilitatorClient("http://f", transport=transport, party_id="0" * 64)
    with pytest.raises(Problem, match="cannot be written now: ValueError") as refused:
        asyncio.run(client.task_request("1" * 32, 50_000, bodies.receive_mapped))
    assert refused.value.code is Code.STORE_UNAVAILABLE


def test_bodies_that_are_read_one_by_one(bodies: BodyFiles) -> None:
    opened = OpenedBodies((b"small", placed(bodies, LARGE)))
    assert [*opened] == [b"small", LARGE]
    assert [*opened[1:]] == [LARGE]
    assert bytes_of(placed(bodies, LARGE)) == b"".join(chunks_of(placed(bodies, LARGE).open())) == LARGE


def test_a_body_of_pieces_takes_those_that_lie_in_files(bodies: BodyFiles) -> None:
    first = placed(bodies, LARGE)
    written = bodies.write((b"before", first, b"after"))
    assert written.read() == b"before" + LARGE + b"after"
    first.path.write_bytes(LARGE[:-1] + b"?")
    there = files(bodies)
    with pytest.raises(Problem) as altered:
        bodies.write((b"before", first))
    assert altered.value.code is Code.BODY_DAMAGED
    assert files(bodies) == there


@pytest.mark.parametrize("attack", ["missing", "one bit", "shorter", "longer"])
def test_a_body_that_is_not_what_its_hash_says_is_never_given_out(bodies: BodyFiles, attack: str) -> None:
    body = placed(bodies, LARGE)
    if attack == "missing":
        body.path.unlink()
    else:
        flipped = bytes([LARGE[0] ^ 1]) + LARGE[1:]
        body.path.write_bytes({"one bit": flipped, "shorter": LARGE[:-1], "longer": LARGE + b"\0"}[attack])
    for given_out in (body.read, body.open):
        with pytest.raises(Problem, match=body.hash[:16]) as refused:
            given_out()
        assert refused.value.code is Code.BODY_DAMAGED
    placed(bodies, LARGE)
    assert body.read() == LARGE


@pytest.mark.parametrize("put", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("elsewhere")])
def test_what_is_no_file_is_never_waited_for_nor_removed(bodies: BodyFiles, put: Callable[[Path], object]) -> None:
    body = placed(bodies, LARGE)
    (bodies.folder / "elsewhere").write_bytes(LARGE)
    body.path.unlink()
    for path in (body.path, bodies.folder / ".ab.part"):
        put(path)
    there = files(bodies)
    with pytest.raises(Problem, match="no file of that name") as refused:
        body.open()
    assert refused.value.code is Code.BODY_DAMAGED
    assert (bodies.unnamed(set()), bodies.there({body.hash})) == ([], set())
    bodies.remove_parts(shared=False)
    assert files(bodies) == there


def test_a_socket_is_no_body(bodies: BodyFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    body = placed(bodies, LARGE)
    body.path.unlink()
    monkeypatch.chdir(bodies.folder)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(body.hash)
        with pytest.raises(Problem, match="no file of that name"):
            body.open()


def test_what_goes_while_it_is_looked_at_is_passed_over(bodies: BodyFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    placed(bodies, LARGE)
    gone = [bodies.folder / ("ab" * 32), bodies.folder / ".ab.part"]
    monkeypatch.setattr(Path, "iterdir", lambda _folder: iter(gone))
    monkeypatch.setattr(Path, "glob", lambda _folder, _pattern: iter(gone))
    assert bodies.unnamed(set()) == []
    bodies.remove_parts(shared=False)


def test_what_a_crash_leaves_is_found(bodies: BodyFiles) -> None:
    assert bodies.unnamed(set()) == []
    kept, left = placed(bodies, LARGE), placed(bodies, LARGE[1:])
    part = bodies.write((LARGE,))
    assert bodies.unnamed({kept.hash}) == [left.hash]
    assert bodies.there({kept.hash, "ab" * 32}) == {kept.hash}
    bodies.remove({left.hash, "ab" * 32})
    bodies.remove_parts(shared=True)
    assert files(bodies) == sorted([kept.hash, part.path.name]), "another process may be writing it"
    os.utime(part.path, (1, 1))
    bodies.remove_parts(shared=True)
    assert files(bodies) == [kept.hash]
    bodies.write((LARGE,))
    bodies.remove_parts(shared=False)
    assert files(bodies) == [kept.hash]
