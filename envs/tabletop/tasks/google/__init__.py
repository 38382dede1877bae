"""SIMPLER's Google Robot tasks, each one module; `suite.py` puts them in order."""
