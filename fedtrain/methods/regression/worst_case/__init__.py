"""Bounds of every round of a regression from public numbers alone, whatever the data: what the budget is made of."""
