"""The process in which PyTorch runs, apart from the service: `python -m fedtrain.neural.worker`."""
