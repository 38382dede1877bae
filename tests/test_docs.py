"""Every command and every file in README.md and docs/ works as it is written.

Each document is played from top to bottom in an empty folder, as a reader would: a python or yaml
block that names a file becomes that file, a nameless python block runs with all before it, a bash
block runs (exports last to the end of the document). What cannot run here says why:

    <!-- not executed: needs a cluster -->
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if p.is_file()]
TIMEOUT_SECONDS = 240

_BLOCK = re.compile(
    r"(?:<!--\s*not executed:(?P<reason>[^>]*)-->\s*\n)?"
    r"^```(?P<language>\w*)(?P<info>[^\n]*)\n(?P<body>.*?)^```\s*$",
    re.DOTALL | re.MULTILINE,
)
_FILE_IN_INFO = re.compile(r"([\w./-]+\.(?:py|ya?ml))")
_FILE_IN_BODY = re.compile(r"# ([\w./-]+\.(?:py|ya?ml))\n")
_TABLE_OF_MESSAGES = re.compile(r"^\| message \|.*?(?=\n\n|\Z)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@dataclass(frozen=True)
class Block:
    """A fenced block. `file` is the name it gives itself, `reason` why it is not executed."""

    line: int
    language: str
    file: str | None
    body: str
    reason: str | None


def blocks(text: str) -> Iterator[Block]:
    for found in _BLOCK.finditer(text):
        body, info = found["body"], found["info"]
        name = _FILE_IN_INFO.search(info) or _FILE_IN_BODY.match(body)
        line = text.count("\n", 0, found.start("body"))
        reason = None if found["reason"] is None else found["reason"].strip()
        yield Block(line, found["language"], name[1] if name else None, body, reason)


def play(text: str, folder: Path) -> None:
    """Execute a document's blocks in order; AssertionError with line and output when one fails."""
    exports = folder / ".exports"
    exports.touch()
    python = ""
    for block in blocks(text):
        if block.reason is not None:
            continue
        if block.file is not None and block.language in ("python", "yaml"):
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.body)
        elif block.language == "python":
            python += block.body
            _run([sys.executable, "-c", python], block, folder)
        elif block.language == "bash":
            script = f"set -eo pipefail\nsource .exports\n{block.body}\nexport -p > .exports"
            _run(["bash", "-c", script], block, folder)


def _run(command: list[str], block: Block, folder: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    defaults = {"MUJOCO_GL": "egl", "OMP_NUM_THREADS": "1"}
    offline = {"PIP_NO_INDEX": "1", "HF_HUB_OFFLINE": "1"}
    environment = {**defaults, **os.environ, **offline, "PATH": path, "TERM": "dumb"}
    environment.pop("PYTHONPATH", None)  # a reader has none; the lanes of other tests do
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    tail = done.stdout[-3000:]
    assert done.returncode == 0, f"block at line {block.line}:\n{block.body}\nended with:\n{tail}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_document_does_what_it_says(document: Path, tmp_path: Path) -> None:
    play(document.read_text(), tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_not_executed_says_why(document: Path) -> None:
    silent = [block.line for block in blocks(document.read_text()) if block.reason == ""]
    assert silent == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_within_the_repository_lead_somewhere(document: Path) -> None:
    links = [link for link in _LINK.findall(document.read_text()) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


TOY = """
```python
# made/here.py
WORD = "hello"
```

```yaml title="made/also.yaml"
a: 1
```

```bash
export PYTHONPATH=made
test -f made/also.yaml
```

```python
number = 1
```

```python
assert number == 1
```

```bash
python -c 'import here; assert here.WORD == "hello"'
touch reached
```

<!-- not executed: would fail -->
```bash
false
```

```text
false
```
"""


def test_a_document_is_played_from_top_to_bottom(tmp_path: Path) -> None:
    play(TOY, tmp_path)
    assert (tmp_path / "reached").exists()


@pytest.mark.parametrize(
    ("language", "body"),
    [("bash", "false | cat"), ("bash", "vla-bench eval policy=scriptd"), ("python", "1 / 0")],
)
def test_a_block_that_fails_fails_its_document(language: str, body: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="block at line 1:"):
        play(f"```{language}\n{body}\n```\n", tmp_path)


def test_the_messages_that_a_document_explains_are_those_of_the_code() -> None:
    """What its table of messages quotes, dots aside, is in some string of the core."""
    said = {
        node.value
        for path in (ROOT / "vla_bench").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    (table,) = _TABLE_OF_MESSAGES.findall((ROOT / "docs" / "add_a_policy.md").read_text())
    quoted = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert quoted
    parts = [part.strip() for quote in quoted for part in quote.split("…") if part]
    assert [part for part in parts if not any(part in text for text in said)] == []
