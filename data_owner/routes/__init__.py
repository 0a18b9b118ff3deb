"""Routes for a Data Owner's own people."""
