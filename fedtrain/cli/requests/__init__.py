"""Requests for data: `fedtrain request` at a Model Owner; `inbox`, `approve`, `decline` and `ask` at owners."""
