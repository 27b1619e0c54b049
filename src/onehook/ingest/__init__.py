"""Receiving: from a POST to a committed webhook."""
