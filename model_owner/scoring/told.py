"""The bits of each model that scores have told, kept beside the scoring keys and not in the store.

A store that was set back to an older copy has forgotten its latest scores, and would give as many again. This has not:
the larger count holds. A count is on the disk before the answer is in the store, and so before anybody sees it.
"""

from __future__ import annotations

from pathlib import Path

from fedtrain.service.vault.backup import SCORING_TOLD
from fedtrain.service.vault.secret_files import SecretFileError, read_secret, write_secret


class BitsTold:
    """The counts in the Model Owner's state folder, a file a model. Nothing but the ledger's own transaction writes."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / SCORING_TOLD

    def of(self, job_id: str) -> int:
        """Bits told so far; 0 where nothing was. Raises SecretFileError for a file that holds no count."""
        path = self._path(job_id)
        try:
            text = read_secret(path)
        except FileNotFoundError:
            return 0
        if not text.isdigit():
            raise SecretFileError(
                f"{path} does not hold a number of bits: write into it the quota_bits of that model, which ends its "
                "scoring, for how much of it was told is not known."
            )
        return int(text)

    def set(self, job_id: str, bits: int) -> None:
        """Keep a count, down to the disk. Raises OSError."""
        write_secret(self._path(job_id), str(bits).encode())

    def _path(self, job_id: str) -> Path:
        return self._folder / job_id
