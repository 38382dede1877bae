"""The tabletop suite's tasks; `registry.py` names them."""
