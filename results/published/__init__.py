"""Numbers from papers, one CSV per table. Installed as `vla_bench.published`; see README.md."""
