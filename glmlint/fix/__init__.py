"""Applies the edits that rules attach to their problems; every other byte of a file stays."""
