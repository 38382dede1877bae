"""The Hydra configuration, one YAML per constructor. Installed as `vla_bench.conf`."""

if __name__ != "vla_bench.conf":  # else a second class of everything
    raise ImportError("import vla_bench.conf instead: pyproject.toml maps this folder")
