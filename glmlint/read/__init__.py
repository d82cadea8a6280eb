"""Bytes to rows: files, lines, JSON values, their places."""
