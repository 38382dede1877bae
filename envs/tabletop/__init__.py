"""MuJoCo tabletop: robots, objects, scenes, tasks, the expert; start reading at `suite.py`.

Knows no policy. Everything is drawn and weighed by primitive shapes and procedural textures: no
third-party mesh or image is needed.
"""
