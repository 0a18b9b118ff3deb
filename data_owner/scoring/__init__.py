"""Private scoring at the Data Owner: its own rows, by a model that it does not see."""
