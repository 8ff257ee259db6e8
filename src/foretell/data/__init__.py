"""Rows with typed columns: read, repaired by counted rules, split, audited, and turned into numbers."""
