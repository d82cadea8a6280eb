"""Rows to ids and labels, as a trainer makes them."""
