"""The 12 Google Robot tasks of the OpenVLA paper; `catalog.py` lists them."""
