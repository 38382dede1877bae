"""SIMPLER's Google Robot tasks; `catalog.py` names them."""
