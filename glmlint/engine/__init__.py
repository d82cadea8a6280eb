"""Rows and rules to a report."""
