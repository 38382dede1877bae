"""Everything that acts; the only place that imports torch. Installed as `vla_bench.policies`."""

if __name__ != "vla_bench.policies":  # else a second class of everything
    raise ImportError("import vla_bench.policies instead: pyproject.toml maps this folder")
