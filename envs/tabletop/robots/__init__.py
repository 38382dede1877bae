"""The tabletop suite's robots."""
