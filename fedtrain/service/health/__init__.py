"""Checks of a node: its machine, folder, certificates and trust, for its own people and for `fedtrain doctor`."""
