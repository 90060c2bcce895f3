"""Bytes to events and back, pure: one file a format."""
