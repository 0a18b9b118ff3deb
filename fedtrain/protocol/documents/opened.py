"""A job's documents, opened: what never changes in it, verified and computed once."""

from __future__ import annotations

import threading

from fedtrain.methods.plan import Plan
from fedtrain.protocol.documents.offer import agreed_plan
from fedtrain.protocol.documents.roster import OpenRoster, open_roster
from fedtrain.protocol.documents.signed import Manifest, SignedDocument, open_document
from fedtrain.spec.problems import Code, Problem


class OpenedDocuments:
    """One job's manifest, plan and roster, each opened and checked when it is first needed, and kept.

    Part of a job's context at every party. Any thread may share it. What is refused is not remembered.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._manifests: dict[SignedDocument, Manifest] = {}
        self._plans: dict[SignedDocument, Plan] = {}
        self._rosters: dict[tuple[SignedDocument, str], OpenRoster] = {}

    def manifest(self, signed: SignedDocument) -> Manifest:
        """Return the manifest that its Model Owner signed.

        Raises Problem: BAD_SIGNATURE, PROTOCOL_VERSION, MALFORMED_MESSAGE.
        """
        with self._lock:
            if signed not in self._manifests:
                manifest = open_document(signed, Manifest)
                if signed.signer != manifest.model_owner:
                    raise Problem(
                        Code.BAD_SIGNATURE,
                        f"The manifest names {manifest.model_owner[:16]}… as Model Owner and is signed by "
                        f"{signed.signer[:16]}….",
                    )
                self._manifests[signed] = manifest
            return self._manifests[signed]

    def plan(self, signed: SignedDocument) -> Plan:
        """Return the plan of a manifest. Raises Problem as `manifest` and `agreed_plan`."""
        with self._lock:
            if signed not in self._plans:
                self._plans[signed] = agreed_plan(self.manifest(signed))
            return self._plans[signed]

    def roster(self, signed: SignedDocument, manifest: SignedDocument, facilitator: str) -> OpenRoster:
        """Return the roster of a manifest, as `facilitator` signed it. Raises Problem as `manifest`, `open_roster`."""
        with self._lock:
            key = signed, facilitator
            if key not in self._rosters:
                self._rosters[key] = open_roster(signed, self.manifest(manifest), manifest.hash, facilitator)
            return self._rosters[key]
