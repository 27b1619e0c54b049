"""A webhook gateway: many platforms in, one event shape out."""

__version__ = "0.1.0"
