"""Diffusion Policy (Chi et al., RSS 2023): networks, losses, sampling, published checkpoints."""
