"""vla-bench: how good is a robot policy, where does it break, is it better than that other one?

Start reading at `vla_bench.protocols`; `docs/architecture.md` says what calls what.
"""

__version__ = "0.1.0"
