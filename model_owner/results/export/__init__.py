"""Finished models as files that other tools read: JSON, ONNX, and a fitted scikit-learn pipeline."""

from fedtrain.model_owner.results.export.exporting import Exported, ExportFormat, export

__all__ = ["ExportFormat", "Exported", "export"]
