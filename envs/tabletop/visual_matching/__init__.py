"""SIMPLER's own look: its meshes, photographs and resting places, from its downloaded assets."""
