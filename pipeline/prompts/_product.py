"""Which colour phrase of a title is the product's own. Knows no target and no prompt.

A phrase is the product's where it stands as a colour does (before the noun, after it, alone
between punctuation, behind "in" or "Colour:") and the product is known to come in any colour.
All else is told: a name, a food, a material, a part, a word that is not known.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import RowError
from pipeline.prompts._chain import Item, is_plain, items, kind
from pipeline.prompts._lexicon import grammar, look_up, words
from pipeline.prompts._phrases import phrase_at
from pipeline.prompts._title import Phrase, Title
from pipeline.prompts._verdict import ALLOWED, ALLOWED_ALONE, Verdict
from pipeline.prompts._words import singulars

MAX_PHRASES = 16
_LOOKS = ("styles", "materials")
_NO_NOUN = ("colour", "and", "number", "filler")


def verdicts(title: Title, objects: frozenset[str] = frozenset()) -> list[Verdict]:
    """One verdict a colour phrase, from left to right.

    Raises RowError `several_colours` for a text of more phrases than any title has.
    """
    if len(title.phrases) > MAX_PHRASES:
        raise RowError(
            "several_colours", f"{len(title.phrases)} colour words in {title.text[:200]!r}"
        )
    return [_Judge(title, phrase, objects).verdict() for phrase in title.phrases]


class _Judge:
    """One phrase of a title: its segment, what stands before and what follows it."""

    def __init__(self, title: Title, phrase: Phrase, objects: frozenset[str]) -> None:
        self.title, self.phrase, self.objects = title, phrase, objects
        self.segment = title.segment(phrase.first)
        self.before = list(items(title, self.segment.start, phrase.first, objects))
        self.after = list(items(title, phrase.last + 1, self.segment.stop, objects))
        self.said = title.said(phrase.first, phrase.last)

    def verdict(self) -> Verdict:
        key = self._key()
        if key in grammar("colour key"):
            return self._of_pair()
        if key in grammar("other key"):
            return self._is("named", f"{self.said!r} is the {key}")
        return self._name() or self._subordinate() or self._of_chain(self._chain())

    def _is(self, sort: str, why: str = "") -> Verdict:
        return Verdict(self.phrase, sort, why)

    def _key(self) -> str | None:
        """The key of the pair "key: value" whose value holds the phrase."""
        start = self.segment.start
        if self.before and self.before[0].first == self.before[0].last:
            first = self.title.words[start].key
            if first in grammar("colour key"):
                return first
        if (
            start
            and self.title.words[start].gap.strip() in (",", "/")
            and self._only_colours(self.segment)
        ):
            start = self.title.segment(start - 1).start
        if start == 0:
            return None
        key, gap = self.title.words[start - 1].key, self.title.words[start].gap.strip()
        is_pair = gap in (":", "=") or (key in grammar("colour key") and gap in "-–—")
        known = grammar("colour key") | grammar("other key")
        return key if is_pair and key in known else None

    def _only_colours(self, segment: range) -> bool:
        return all(at in self.title.colour_at for at in segment)

    def _of_pair(self) -> Verdict:
        """The value of "Colour: …", whole: the words before the phrase are a part of it."""
        known = [
            item
            for item in self.before
            if self.title.words[item.first].key not in grammar("colour key")
        ]
        if any(item.sort in ("colour", "and") for item in known + self.after):
            return self._is("explicit")
        first = known[0].first if known else self.phrase.first
        return Verdict(Phrase(first, self.phrase.last, self.phrase.head), "explicit")

    def _name(self) -> Verdict | None:
        """The verdict of a phrase that is a part of a name or of a fixed phrase."""
        first, last = self.phrase.first, self.phrase.last
        fixed = phrase_at(self.title, first, last, "phrases")
        if fixed:
            said, section = fixed
            why = f"{said!r} is a name or a fixed phrase"
            return self._is("name" if section == "name" else "named", why)
        if self._is_compound():
            return self._is("named", f"{self.said!r} is a part of the product's noun")
        if first > self.segment.start and self.title.words[first].key in grammar("family name"):
            given = self.title.words[first - 1].key
            if given in words("names") and first == last:
                why = f"{self.title.said(first - 1, last)!r} is a person's name"
                return self._is("name", why)
        joins = self.after and self.after[0].sort == "and" and not self._goes_on()
        if joins or (self.after and self._word(self.after[0]).lower() == "x"):
            said = self._word(self.after[0])
            return self._is("named", f"{self.said!r} may be a part of a name with {said!r}")
        return None

    def _is_compound(self) -> bool:
        """Whether the phrase begins a compound noun: "coffee table", "wine glass"."""
        first = self.phrase.first
        if is_plain(self.phrase) or first < self.phrase.last:
            return False
        item = next(items(self.title, first, self.segment.stop, self.objects))
        return item.sort == "thing" and item.last > first

    def _goes_on(self) -> bool:
        """Whether a colour or an adjective follows the "and": not "Black & Decker"."""
        if len(self.after) == 1:
            return False
        after = self.after[1]
        return after.sort in ("colour", "modifier") or after.first in self.title.colour_at

    def _subordinate(self) -> Verdict | None:
        """The verdict of a phrase behind a preposition: it tells another thing's colour."""
        for at, item in enumerate(self.before):
            word = self.title.words[item.first].key
            of_some = word == "of" and self._is_container(at)
            behind_in = word == "in" and at == len(self.before) - 1
            passes = item.sort != "boundary" or of_some or behind_in
            if not passes or (word == "in" and not self._leads_to_colour(at + 1)):
                where = self.title.said(item.first, self.phrase.last)
                return self._is("other", f"the colour stands in {where!r}")
        return None

    def _leads_to_colour(self, at: int) -> bool:
        return all(item.sort in ("colour", "and") for item in self.before[at:])

    def _is_container(self, at: int) -> bool:
        before = self.title.words[self.before[at].first - 1].key if at else ""
        return any(word in grammar("container") for word in singulars(before))

    def _chain(self) -> list[Item]:
        """What the colour stands before: up to a preposition, another colour or a second "and"."""
        chain: list[Item] = []
        joined = True
        for item in self.after:
            if item.sort == "boundary" or (item.sort == "filler" and chain):
                break
            if item.sort == "and":
                if any(other.sort == "thing" for other in chain):
                    break
                joined = True
            elif item.sort == "colour":
                if not joined:
                    break
            else:
                joined = False
                chain.append(item)
        return chain or self._across_comma()

    def _across_comma(self) -> list[Item]:
        """The chain of "red, glossy mug": a first segment that is no more than the colour."""
        start = self.segment.stop
        only = all(item.sort in _NO_NOUN or item.section == "sizes" for item in self.before)
        if self.after or not only or self.segment.start or start >= len(self.title.words):
            return []
        if self.title.words[start].gap.strip() not in (",", "/"):
            return []
        rest = self.title.segment(start)
        found = list(items(self.title, rest.start, rest.stop, self.objects))
        skipped = [item for item in found if item.sort not in ("colour", "and")]
        return skipped[
            : next((i for i, item in enumerate(skipped) if item.sort == "boundary"), None)
        ]

    def _of_chain(self, chain: Sequence[Item]) -> Verdict:
        for item in chain:
            if item.sort == "stuff":
                return self._is("named", f"{self.said!r} may be the {self._word(item)!r}'s own")
            if item.sort == "thing":
                break
        things = [item for item in chain if item.sort == "thing"]
        if not things or (self._thing_before() and all(map(self._is_material, things))):
            return self._behind_thing(chain)
        return self._before_thing(chain, things)

    def _is_material(self, thing: Item) -> bool:
        return look_up(self._word(thing).lower(), "modifiers") == "materials"

    def _may_be_material(self, thing: Item) -> bool:
        return (
            thing.section != "object"
            and look_up(self._word(thing).lower(), "modifiers") is not None
        )

    def _before_thing(self, chain: Sequence[Item], things: Sequence[Item]) -> Verdict:
        stuff = next((item for item in chain if item.sort == "stuff"), None)
        if stuff:
            return self._is("named", f"{self._word(stuff)!r} is no product of any colour")
        odd = self._odd(chain, things)
        if odd:
            name = self.title.said(self.phrase.first, odd.last)
            return self._is("unclear", f"{name!r} may be a name")
        other = self._thing_before() or self._thing_in(0, self.segment.start)
        if other and self._word(other).lower() != "light":
            return self._is("unclear", f"{self.said!r} may be a part's or another thing's colour")
        return self._if_allowed(things[-1], ALLOWED, "sure")

    def _odd(self, chain: Sequence[Item], things: Sequence[Item]) -> Item | None:
        """What is no word for a product before the last thing: "Black Rock", "Red Door" candle."""
        if self._is_count(chain[0]) and (
            len(chain) < 2 or chain[1].section not in ("styles", "sizes", "materials")
        ):
            return chain[0]  # "Maroon 5 T-Shirt" is no "White 2 Drawer Chest"
        if self.title.words[chain[0].first].key in grammar("one person"):
            follows = chain[1] if len(chain) > 1 else chain[0]
            if not self._word(follows).lower().startswith(("size", "bed", "duvet", "sheet")):
                return chain[0]
        head = self.title.words[things[-1].last].key
        is_compound = any(word in grammar("head of compounds") for word in (head, *singulars(head)))
        for item in chain:
            if item is things[-1] or (is_compound and item.sort == "thing"):
                return None
            is_thing = item.sort == "thing" and not self._may_be_material(item)
            if is_thing or item.sort == "unknown":
                return item
        return None

    def _is_count(self, item: Item) -> bool:
        word = self._word(item).lower()
        return word.isdigit() or (item.section == "sizes" and word in grammar("count"))

    def _thing_before(self) -> Item | None:
        return next((item for item in reversed(self.before) if item.sort == "thing"), None)

    def _thing_in(self, first: int, stop: int) -> Item | None:
        """The last thing in words [first, stop) up to a preposition."""
        head: Item | None = None
        for item in items(self.title, first, stop, self.objects):
            if item.sort == "boundary" and head:
                break
            if item.sort == "thing":
                head = item
        return head

    def _behind_thing(self, chain: Sequence[Item]) -> Verdict:
        strange = next((i for i in chain if i.sort not in ("modifier", "number", "thing")), None)
        if strange:
            return self._is("unclear", f"{self._word(strange)!r} behind {self.said!r} is not known")
        own = self._thing_before()
        alone = all(item.sort in _NO_NOUN or item.section in _LOOKS for item in self.before)
        if not own and not alone:
            return self._is("unclear", f"no product that is known stands beside {self.said!r}")
        thing = own or self._thing_anywhere()
        if thing is None:
            return self._is("unclear", "the title names no product that is known")
        if self._is_food(thing):
            return self._is("unclear", f"{self.said!r} may be a kind, not a colour")
        if own and self.before[-1].sort in ("unknown", "stuff"):
            name = self.title.said(self.before[-1].first, self.phrase.last)
            return self._is("unclear", f"{name!r} may be a name")
        return self._if_allowed(
            thing, ALLOWED if own else ALLOWED_ALONE, "sure" if own else "alone"
        )

    def _thing_anywhere(self) -> Item | None:
        start, stop = self.segment.start, self.segment.stop
        return self._thing_in(0, start) or self._thing_in(stop, len(self.title.words))

    def _is_food(self, thing: Item) -> bool:
        """Whether the thing's own words name food, or what has its colour by nature."""
        around = self.title.segment(thing.first)
        return any(
            item.sort == "stuff" and item.section in ("food or drink", "colour by nature")
            for item in items(self.title, around.start, thing.first, self.objects)
        )

    def _if_allowed(self, thing: Item, allowed: dict[str, frozenset[str]], sort: str) -> Verdict:
        which = kind(self.phrase)
        if thing.section in allowed[which]:
            return self._is(sort)
        of_what = "a metal" if which == "metal" else "a stone" if which == "gem" else "a thing"
        why = f"{self.said!r} may be {of_what}, not the colour"
        return Verdict(self.phrase, "thing", why, thing.section)

    def _word(self, item: Item) -> str:
        return self.title.said(item.first, item.last)
