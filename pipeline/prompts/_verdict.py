"""What a colour phrase can turn out to be, and before which products. Knows no title's words."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.prompts._title import Phrase

ALLOWED = {
    "plain": frozenset({"soft", "hard", "fine", "beauty", "object"}),
    "gem": frozenset({"soft", "hard", "beauty", "object"}),
    "metal": frozenset({"soft", "object"}),
    "noun": frozenset({"soft", "object"}),
    "weak": frozenset({"object"}),
}
ALLOWED_ALONE = {
    "plain": ALLOWED["plain"],
    "gem": ALLOWED["gem"],
    "metal": frozenset({"soft", "hard", "object"}),
    "noun": frozenset({"soft", "hard", "object"}),
    "weak": frozenset({"soft", "hard", "object"}),
}


@dataclass(frozen=True)
class Verdict:
    """What a phrase is, and why.

    `explicit` ("Colour: Red"), `alone` (between punctuation), `sure`: the product's colour.
    `name`: a part of a name; `named`: of a food, a material, a key's value; `other`: another
    thing's colour; `thing`: what the product is of, maybe, `section` its kind; `unclear`.
    """

    phrase: Phrase
    sort: str
    why: str = ""
    section: str = ""

    @property
    def counts(self) -> bool:
        """Whether the phrase is the product's colour."""
        return self.sort in ("explicit", "alone", "sure")
