"""Trajectories and images as numpy arrays: what training reads and evaluation repeats."""
