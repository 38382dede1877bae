"""docs/evaluate_openvla.md names every option; test_docs.py executes its commands."""

from __future__ import annotations

import re
from pathlib import Path


def test_every_option_of_the_yaml_that_moves_numbers_is_on_the_page(root: Path) -> None:
    page = (root / "docs" / "evaluate_openvla.md").read_text()
    text = (root / "conf/policy/openvla.yaml").read_text()
    for key in re.findall(r"^(\w+):", text, flags=re.MULTILINE):
        if key not in {"_target_", "camera", "robot"}:
            assert f"policy.{key}" in page, key
    for option in set(re.findall(r"policy\.(\w+)[=`]", page)):
        assert re.search(rf"^{option}:", text, flags=re.MULTILINE), option
