"""Mapping files: their shape, their compiler, and webhook to events."""
