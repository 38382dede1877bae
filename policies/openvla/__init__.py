"""OpenVLA: architecture, checkpoints, inference."""
