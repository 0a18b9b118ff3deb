"""Gradients of a random sample of the records, clipped one by one: what carries noise under a claim of privacy."""
