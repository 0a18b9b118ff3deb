"""Rows that the benchmarks print: how they are taken and counted, and the tables and targets that come of them."""
