"""Estimators in ONNX graphs, by way of skl2onnx and `to_sklearn`; needs skl2onnx."""

from fastsoftmax.onnx._register import register

__all__ = ["register"]
