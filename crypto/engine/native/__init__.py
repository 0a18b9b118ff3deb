"""The engine over the compiled kernel: eight residues at a time, threads for further cores."""

from __future__ import annotations

from fedtrain.crypto.engine.native.engine import NativeEngine, why_not

__all__ = ["NativeEngine", "why_not"]
