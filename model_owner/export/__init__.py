"""Finished models as files that other tools read: JSON, ONNX, and a fitted scikit-learn pipeline."""

from model_owner.export.exporting import Exported, ExportFormat, export

__all__ = ["ExportFormat", "Exported", "export"]
