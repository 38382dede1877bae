"""The same null work by rival harnesses and by this one, interleaved in one run.

    python benchmarks/rivals.py [--write] [--rounds 5] [--folder build/rivals-venv]

Null env, null policy, one 256×256×3 image, episodes of 100 steps: CPU ms per env step of client
and server together, and observations/s of four clients whose policy takes 20 ms per batch. Medians
over the rounds; in each round every harness plays in turn. The rivals are installed into virtual
environments of their own, since their requirements contradict each other's and ours; nothing of
theirs is in this repository. One that cannot be installed is named and left out. The image packs
well as PNG, vla-eval's default on the wire: a rendered picture costs it more, the others nothing.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from record import arguments, finish

HERE = Path(__file__).resolve().parent
SIDES = HERE / "rivals"
sys.path.insert(0, str(SIDES))

from side import Case  # noqa: E402 - beside the scripts that run under other interpreters

N_STEPS = 100
OURS, VLA_EVAL, OPENPI = "vla-bench", "vla-eval 0.8.0", "openpi-client 0.1.2"
# openpi-client imports typing_extensions and does not declare it.
RIVALS = {
    VLA_EVAL: ("with_vla_eval.py", ["vla-eval==0.8.0"]),
    OPENPI: ("with_openpi.py", ["openpi-client==0.1.2", "typing_extensions"]),
}
COST = "CPU ms/step"
RATE = "observations/s"


@dataclass(frozen=True)
class Contest:
    """One row of the table: what is played, what counts, and episodes per client and round."""

    title: str
    unit: str
    case: Case
    n_episodes: Mapping[str, int]


CONTESTS = (
    Contest("1 client", COST, Case(N_STEPS, 1, 1, 0.0), {OURS: 30, VLA_EVAL: 3, OPENPI: 30}),
    Contest(
        "1 client, chunk 8", COST, Case(N_STEPS, 8, 1, 0.0), {OURS: 100, VLA_EVAL: 3, OPENPI: 100}
    ),
    Contest(
        "4 clients, 20 ms/batch",
        RATE,
        Case(N_STEPS, 1, 4, 0.020),
        {OURS: 2, VLA_EVAL: 1, OPENPI: 1},
    ),
)


class Side:
    """A harness at work on a case; `play` measures its whole process tree."""

    def __init__(self, command: Sequence[str], case: Case) -> None:
        self._case = case
        path = os.pathsep.join([str(SIDES), str(HERE)])
        self._process = subprocess.Popen(
            [*command, *case.arguments()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._expect("ready")

    def play(self, n_episodes: int) -> dict[str, float]:
        """Let every client play so many episodes; unit -> figure."""
        before, started = _tree_cpu_seconds(self._process.pid), time.perf_counter()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{n_episodes}\n")
        self._process.stdin.flush()
        self._expect("done")
        seconds = time.perf_counter() - started
        cpu_seconds = _tree_cpu_seconds(self._process.pid) - before
        n_steps = n_episodes * self._case.n_clients * self._case.n_steps
        return {COST: cpu_seconds / n_steps * 1e3, RATE: n_steps / seconds}

    def close(self) -> None:
        self._process.communicate()

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if said != word:
            raise SystemExit(f"{self._process.args} said {said!r}, expected {word!r}; see above.")


def _tree_cpu_seconds(pid: int) -> float:
    """CPU time of a process and of its living descendants, to the nanosecond."""
    # Linux's number of another process's CPU clock, as clock_getcpuclockid(3) makes it.
    own = time.clock_gettime((~pid << 3) | 2)
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = {int(child) for task in tasks for child in task.read_text().split()}
    return own + sum(_tree_cpu_seconds(child) for child in children)


def install(folder: Path, requirements: Sequence[str]) -> str | None:
    """Interpreter of a virtual environment with `requirements`; None when pip cannot have them."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, *requirements], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"Left out, cannot be installed: {', '.join(requirements)}\n{done.stderr[-500:]}")
        return None
    return str(python)


@contextmanager
def _open_sides(commands: dict[str, list[str]], case: Case) -> Iterator[dict[str, Side]]:
    with ExitStack() as stack:
        sides = {}
        for name, command in commands.items():
            sides[name] = Side(command, case)
            stack.callback(sides[name].close)
        yield sides


def measure(contest: Contest, commands: dict[str, list[str]], n_rounds: int) -> dict[str, float]:
    """Harness -> median over rounds, after one episode that is not counted."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    with _open_sides(commands, contest.case) as sides:
        for side in sides.values():
            side.play(1)
        for _ in range(n_rounds):
            for name, side in sides.items():
                found[name].append(side.play(contest.n_episodes[name])[contest.unit])
    return {name: statistics.median(values) for name, values in found.items()}


def _show(contest: Contest, medians: dict[str, float]) -> dict[str, float]:
    """Print a row, each rival with its ratio to ours; return it as figures."""
    figures = {}
    cells = []
    for name, value in medians.items():
        figures[f"{contest.title}, {name}, {contest.unit}"] = value
        if name != OURS:
            ratio = value / medians[OURS]
            figures[f"{contest.title}, {name} / ours"] = ratio
            cells.append(f"{name} {value:.3g} ({ratio:.3g}x ours)")
    row = f"{contest.title:22}  {OURS} {medians[OURS]:.3g}  {'  '.join(cells)}  [{contest.unit}]"
    print(row, flush=True)
    return figures


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "build" / "rivals-venv")
    options = parser.parse_args()
    commands = {OURS: [sys.executable, str(SIDES / "with_ours.py")]}
    for name, (script, requirements) in RIVALS.items():
        python = install(options.folder / requirements[0].partition("==")[0], requirements)
        if python is not None:
            commands[name] = [python, str(SIDES / script)]
    figures: dict[str, float] = {}
    for contest in CONTESTS:
        figures |= _show(contest, measure(contest, commands, options.rounds))
    finish("rivals", figures, options.write)


if __name__ == "__main__":
    main()
