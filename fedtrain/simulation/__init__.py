"""All parties in one process, on tables of one's own: for trying a spec out, and for tests."""
