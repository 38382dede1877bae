"""The tabletop suite's tasks."""
