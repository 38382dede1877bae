"""Everything that is acted in. Installed as `vla_bench.envs`."""

if __name__ != "vla_bench.envs":  # else a second class of everything
    raise ImportError("import vla_bench.envs instead: pyproject.toml maps this folder")

from vla_bench.envs.registration import register_envs

register_envs()
