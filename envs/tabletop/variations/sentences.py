"""The instructions of all suites as sentences with parts, and other ways to say the same."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """A kind of instruction: a pattern with the groups a and, where there is one, b.

    `verb` says it with another verb, `wish` as a result; articles are in the templates.
    """

    pattern: str
    verb: str
    wish: str


@dataclass(frozen=True)
class Sentence:
    """An instruction taken apart: `a` is to be moved, `b` is the place; without articles."""

    form: Form
    a: str
    b: str
    preposition: str

    def say(self, template: str) -> str:
        place = {"into": "in", "onto": "on"}.get(self.preposition, self.preposition)
        return template.format(a=self.a, b=self.b, p=place)


_TO = "(?P<p>onto|on|into|in|near)"
FORMS = (
    Form("(?:flip|place) (?P<a>.+) upright", "stand the {a} up", "the {a} should stand upright"),
    Form(
        f"(?:put|place|move) (?P<a>.+?) {_TO} (?P<b>.+)",
        "set the {a} down {p} the {b}",
        "the {a} belongs {p} the {b}",
    ),
    Form(
        f"stack (?P<a>.+?) {_TO} (?P<b>.+)",
        "set the {a} down {p} top of the {b}",
        "the {a} belongs {p} top of the {b}",
    ),
    Form(
        "take (?P<a>.+?) out of (?P<b>.+)",
        "remove the {a} from the {b}",
        "the {a} should not be in the {b}",
    ),
    Form("(?:lift|pick up|pick) (?P<a>.+)", "grab the {a}", "the {a} should be up in the air"),
    Form(
        "pour (?P<a>.+?) (?P<p>into) (?P<b>.+)",
        "tip the {a} out {p} the {b}",
        "the {a} belongs {p} the {b}",
    ),
    Form("knock (?P<a>.+) over", "tip the {a} over", "the {a} should lie on its side"),
    Form(
        "cover (?P<a>.+?) with (?P<b>.+)",
        "lay the {b} over the {a}",
        "the {a} should be hidden under the {b}",
    ),
    Form("wipe (?P<a>.+)", "clean the {a}", "the {a} should be clean"),
    Form("open (?P<a>.+)", "pull the {a} open", "the {a} should be open"),
    Form("close (?P<a>.+)", "push the {a} shut", "the {a} should be closed"),
)


def parse(instruction: str) -> Sentence | None:
    """None for a sentence of no known form."""
    for form in FORMS:
        found = re.fullmatch(form.pattern, instruction.replace(" the ", " "))
        if found:
            parts = found.groupdict()
            return Sentence(form, parts["a"], parts.get("b") or "", parts.get("p") or "")
    return None
