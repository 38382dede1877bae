"""MuJoCo tabletop: robots, objects, scenes, tasks, the expert; start reading at `suite.py`.

Knows no policy. Everything is drawn and weighed by primitive shapes and procedural textures: no
third-party mesh or image is needed.
"""

import os

# One thread draws a small image for less CPU time than many; run more processes instead.
os.environ.setdefault("LP_NUM_THREADS", "1")
# MuJoCo chooses its GL backend when it is first imported; GLFW, its default, needs a display.
if not os.environ.get("DISPLAY"):
    os.environ.setdefault("MUJOCO_GL", "egl")
