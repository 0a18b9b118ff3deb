"""Marks of the request that each round was answered for, kept beside the mask key and not in the store.

A store that was restored from a backup has forgotten its latest answers, and one without room never had the last. The
marks know them: a round that was answered is never answered for another request, and the same request gets the same
plaintexts under the same masks. A mark is on the disk before the answer is in the store, and so before anybody sees it.
"""

from __future__ import annotations

from pathlib import Path

from fedtrain.protocol.messages.rounds import Kind
from fedtrain.service.vault.secret_files import append_line, delete_secret, read_lines
from fedtrain.spec.problems import Code, Problem


class AnswerMarks:
    """The marks in one folder, a file a job, a line an answer: round, kind, hash of the request."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.answered"

    def set(self, job_id: str, round_: int, kind: Kind, request_hash: str) -> bool:
        """Mark a round as answered for this request, durably; return whether it was marked so before.

        Raises Problem(REQUEST_DIFFERS) where it was answered for another one.
        """
        marked = self._read(job_id).get((round_, kind))
        if marked == request_hash:
            return True
        if marked is not None:
            raise Problem(
                Code.REQUEST_DIFFERS,
                f"Round {round_} ({kind}) was answered for request {marked[:16]}…, and now {request_hash[:16]}… is "
                "asked. The store does not know that answer: it is an older copy, or had no room for it.",
            )
        append_line(self._path(job_id), f"{round_} {kind} {request_hash}".encode())
        return False

    def set_signed(self, job_id: str, round_: int, set_hash: str) -> None:
        """Mark that this set is signed in a round, durably. Raises Problem(SET_REFUSED) where another one was."""
        path = self._signed_path(job_id)
        marked = dict(line.decode().split(" ") for line in read_lines(path))
        known = marked.get(str(round_))
        if known not in (None, set_hash):
            raise Problem(
                Code.SET_REFUSED,
                f"In round {round_} the set {str(known)[:16]}… was signed, and now {set_hash[:16]}… is to be: an owner "
                "signs one a round. The store does not know the first: it is an older copy.",
            )
        if known is None:
            append_line(path, f"{round_} {set_hash}".encode())

    def has_signed(self, job_id: str, round_: int, set_hash: str) -> bool:
        """Say whether this set is marked as signed in the round."""
        return f"{round_} {set_hash}".encode() in read_lines(self._signed_path(job_id))

    def _signed_path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.signed-sets.answered"  # no key: see fedtrain.service.vault.key_files

    def has(self, job_id: str) -> bool:
        """Say whether the job has marks."""
        return self._path(job_id).exists() or self._signed_path(job_id).exists()

    def forget(self, job_id: str) -> None:
        """Delete the job's marks, if there are any: without its mask key nothing is answered any more."""
        delete_secret(self._path(job_id))
        delete_secret(self._signed_path(job_id))

    def _read(self, job_id: str) -> dict[tuple[int, str], str]:
        marks: dict[tuple[int, str], str] = {}
        for line in read_lines(self._path(job_id)):
            number, kind, request_hash = line.decode().split(" ")
            marks.setdefault((int(number), kind), request_hash)
        return marks
