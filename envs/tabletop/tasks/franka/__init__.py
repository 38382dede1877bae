"""The OpenVLA paper's fine-tuning tasks on a Franka Panda; `catalog.py` lists them."""
