"""Checks that everyone who is shown a manifest makes by himself: the key, and the plan that follows from the spec."""

from __future__ import annotations

from fedtrain.crypto import CryptoError, check_key
from fedtrain.methods.plan import Plan
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.signed import Manifest
from fedtrain.spec.problems import Code, Problem


def check_offer(manifest: Manifest, *, allow_small_keys: bool) -> Plan:
    """Return the plan, recomputed from the spec, once the manifest's key and its own plan hold, in this order.

    Raises Problem: MALFORMED_KEY; PLAN_DIFFERS, naming the fields; DOES_NOT_FIT as `plan_spec`.
    """
    check_offered_key(manifest, allow_small_keys=allow_small_keys)
    return agreed_plan(manifest)


def check_offered_key(manifest: Manifest, *, allow_small_keys: bool) -> None:
    """Check the manifest's key by the Model Owner's proof, and that there is one to seal masks' keys to where they are
    told. Raises Problem(MALFORMED_KEY)."""
    try:
        check_key(
            int(manifest.modulus, 16),
            manifest.spec.training.key_bits,
            [int(root, 16) for root in manifest.key_proof],
            bytes.fromhex(manifest.model_owner),
            bytes.fromhex(manifest.nonce),
            allow_small=allow_small_keys,
        )
    except CryptoError as error:
        raise Problem(Code.MALFORMED_KEY, f"The Model Owner's key is refused: {error}.") from None
    if manifest.spec.self_masked != (manifest.unmasking_key is not None):
        why = "The manifest has an unmasking_key, or none, unlike its on_dropout and release: both or neither."
        raise Problem(Code.MALFORMED_KEY, why)


def agreed_plan(manifest: Manifest) -> Plan:
    """Return the plan, recomputed from the spec, where it is the one that the manifest has.

    Raises Problem: PLAN_DIFFERS, naming the fields, also for a job that an earlier version planned; DOES_NOT_FIT.
    """
    plan = plan_spec(manifest.spec)
    own, given = plan.to_dict(), manifest.plan
    if own != given:
        names = sorted(name for name in {*own, *given} if own.get(name, ...) != given.get(name, ...))
        raise Problem(
            Code.PLAN_DIFFERS,
            f"The manifest's plan differs from what its spec gives in {', '.join(names)}. Where another version made "
            "it, have all parties run the same version, and deploy the job again.",
        )
    return plan
