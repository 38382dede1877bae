"""The tabletop suite's objects."""
