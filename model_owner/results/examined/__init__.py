"""A finished model examined on the test set: what a person is shown of it, beside its measures."""
