"""The command line: `vla-bench VERB overrides…`; most are Hydra apps, so `-m` sweeps.

Imports are deferred: `vla-bench --help` must answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import vla_bench
from vla_bench.errors import ConfigError, VlaBenchError, unknown_name

USAGE = """\
vla-bench: how good is a robot policy, where does it break, is it better than that other one?

  vla-bench eval policy=NAME env=NAME [key=value ...]   evaluate; the same command resumes
  vla-bench eval -m policy=A,B env=NAME                 sweep; also choice(), glob(), range()
  vla-bench demos env=NAME n=200 [output=FOLDER ...]    record an expert; the same command resumes
  vla-bench train policy=NAME data=FOLDER [...]         learn from them; the same command resumes
  vla-bench merge adapter=FOLDER output=FOLDER          a LoRA of OpenVLA into its checkpoint
  vla-bench report RUN [RUN ...] [output=FOLDER]        tables, figures, HTML page
  vla-bench report RUN published=NAME                   with a paper's numbers beside, as such
  vla-bench list                                        policies, envs, experiments
  vla-bench assets simpler [--to FOLDER]                download SIMPLER's meshes and photographs
  vla-bench doctor                                      check this machine; print the fixes
  vla-bench --version

  --config-dir FOLDER   your own policy/*.yaml and env/*.yaml beside the bundled ones
  vla-bench eval --cfg job policy=NAME env=NAME         show the composed configuration
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exit status: 0 done, 1 a user's error (printed without traceback)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return
    if given[0] == "--version":
        print(vla_bench.__version__)
        return
    verb, rest = given[0], given[1:]
    try:
        if verb not in _VERBS:
            raise unknown_name("verb", verb, _VERBS)
        _VERBS[verb](rest)
    except VlaBenchError as error:
        _fail(error)


def _eval(arguments: list[str]) -> None:
    _hydra("eval", arguments, _eval_job)


def _eval_job(config: dict[str, Any]) -> None:
    from rich.console import Console

    from vla_bench.report import success_text
    from vla_bench.run import Settings, run

    console = Console()
    finished = run(Settings(**config), console)
    console.print(success_text([finished.folder]), **_PLAIN)
    console.print(f"Report: vla-bench report {finished.folder}", **_PLAIN)


def _demos(arguments: list[str]) -> None:
    _hydra("demos", arguments, _demos_job)


def _demos_job(config: dict[str, Any]) -> None:
    from rich.console import Console

    from vla_bench.demos import Settings, record, summary

    console = Console()
    console.print(summary(record(Settings(**config), console)), **_PLAIN)


def _train(arguments: list[str]) -> None:
    _hydra("train", arguments, _train_job)


def _train_job(config: dict[str, Any]) -> None:
    from rich.console import Console

    from vla_bench.construct import locate

    train = locate("vla_bench.policies.training.command.train")  # the core imports no policy
    train(config, Console())


def _merge(arguments: list[str]) -> None:
    _hydra("merge", arguments, _merge_job)


def _merge_job(config: dict[str, Any]) -> None:
    from rich.console import Console

    from vla_bench.construct import locate

    merge = locate("vla_bench.policies.openvla.merge.merge_job")
    merge(config, Console())


def _report(arguments: list[str]) -> None:
    runs = [a for a in arguments if _is_folder(a)]
    others = [a for a in arguments if a not in runs]
    listed = ",".join(f"'{run}'" for run in runs)
    _hydra("report", [*([f"runs=[{listed}]"] if runs else []), *others], _report_job)


def _is_folder(argument: str) -> bool:
    """Whether a run, not an override; the default run folders have ``=`` in their names."""
    from pathlib import Path

    first = argument.partition("/")[0]
    return not first.startswith("-") and ("=" not in first or Path(argument).is_dir())


def _report_job(config: dict[str, Any]) -> None:
    from pathlib import Path

    from rich.console import Console

    from vla_bench.report import write

    folders = [Path(run) for run in config["runs"]]
    alone = folders[0] / "report" if len(folders) == 1 else Path("results/report")
    published = config["published"] or []
    tables = [published] if isinstance(published, str) else published
    report = write(folders, Path(config["output"]) if config["output"] else alone, tables)
    console = Console()
    console.print(report.table, **_PLAIN)
    console.print(f"Report: {report.html}", **_PLAIN)


def _list(arguments: list[str]) -> None:
    from vla_bench.listing import print_listing

    print_listing(arguments)


def _assets(arguments: list[str]) -> None:
    from pathlib import Path

    from rich.console import Console

    from vla_bench.assets import ENVIRONMENT, named_collection, root
    from vla_bench.download import download

    match arguments:
        case [name]:
            to = root()
        case [name, "--to", folder] | ["--to", folder, name]:
            to = Path(folder).expanduser().resolve()
        case _:
            raise ConfigError(f"Expected `vla-bench assets NAME [--to FOLDER]`, got {arguments}.")
    collection, console = named_collection(name), Console()
    console.print(f"From {collection.url}\nLicence: {collection.licence}", **_PLAIN)
    done = download(collection, to, console)
    console.print(f"{done.n_new} of {done.n_files} files downloaded to {done.folder}", **_PLAIN)
    if to != root():
        console.print(f"Now type: export {ENVIRONMENT}={to}", **_PLAIN)


def _doctor(arguments: list[str]) -> None:
    from vla_bench.doctor import examine

    if arguments:
        raise unknown_name("argument", arguments[0], [])
    sys.exit(examine())


_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}

_VERBS: dict[str, Callable[[list[str]], None]] = {
    "eval": _eval,
    "demos": _demos,
    "train": _train,
    "merge": _merge,
    "report": _report,
    "list": _list,
    "assets": _assets,
    "doctor": _doctor,
}


def _hydra(config_name: str, arguments: list[str], job: Callable[[dict[str, Any]], None]) -> None:
    """Check the overrides, then hand over to Hydra, which calls `job` once per cell."""
    import hydra
    from hydra.plugins.sweeper import Sweeper
    from omegaconf import DictConfig

    from vla_bench.config import MODULE, check_overrides, for_cells, plain

    overrides, config_dir = _split(arguments)
    if not {"-h", "--help", "--hydra-help", "--info", "-i"} & set(arguments):
        check_overrides(config_name, overrides, config_dir)

    # By now each swept group was composed with each of its values and the keys checked. Hydra would
    # compose every cell before the first one starts: 7 s for 100 cells (benchmarks/overhead.py).
    Sweeper.validate_batch_is_legal = lambda *_: None  # type: ignore[method-assign]

    @hydra.main(config_path=f"pkg://{MODULE}", config_name=config_name, version_base="1.3")
    def app(config: DictConfig) -> None:
        sys.argv = command  # which the run records
        try:
            job(plain(config))
        except VlaBenchError as error:
            _fail(error)

    command = [f"vla-bench {config_name}", *arguments]
    sys.argv = command
    if {"-m", "--multirun"} & set(arguments):
        replaced = dict(zip(overrides, for_cells(config_name, overrides)))
        sys.argv = [command[0], *(replaced.get(argument, argument) for argument in arguments)]
    app()


def _split(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """The overrides among `arguments`, and the value of --config-dir."""
    overrides: list[str] = []
    config_dir: str | None = None
    rest = iter(arguments)
    for argument in rest:
        if argument in ("--config-dir", "-cd"):
            config_dir = next(rest, None)
        elif argument.startswith("--config-dir="):
            config_dir = argument.partition("=")[2]
        elif argument in ("--cfg", "-c", "--package", "-p", "--config-path", "-cp"):
            next(rest, None)
        elif not argument.startswith("-"):
            overrides.append(argument)
    return overrides, config_dir


def _fail(error: VlaBenchError) -> None:
    print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
