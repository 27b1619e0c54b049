"""Delivering: lease, attempt, record."""
