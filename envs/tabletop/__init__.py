"""Tabletop manipulation in MuJoCo: robots, objects, scenes, tasks, an expert."""
