"""The 17 WidowX tasks of the OpenVLA paper; `catalog.py` lists them."""
