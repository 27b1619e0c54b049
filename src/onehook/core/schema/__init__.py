"""The unified schema v1: one model per thing, every event type, their JSON Schemas."""
