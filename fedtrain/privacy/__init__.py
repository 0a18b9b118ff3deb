"""Differential privacy as arithmetic: exact noise, and what it costs. Pure, and knows no job."""
