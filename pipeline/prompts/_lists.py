"""Built-in word lists: within a list any word may become any other. Knows no caption."""

from __future__ import annotations

COLOURS = (
    "red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "brown", "black",
    "white", "grey",
)  # fmt: skip

MATERIALS = (
    "wooden", "metal", "plastic", "glass", "leather", "marble", "ceramic", "stone", "paper",
)  # fmt: skip

ANIMALS = (
    "cat", "dog", "fox", "wolf", "lion", "tiger", "bear", "horse", "cow", "sheep", "goat",
    "rabbit",
)  # fmt: skip

FRUIT = (
    "apple", "orange", "pear", "peach", "lemon", "banana", "mango", "strawberry",
)  # fmt: skip

VEHICLES = (
    "car", "truck", "bus", "van", "tractor", "motorcycle", "bicycle",
)  # fmt: skip

BACKGROUNDS = (
    "beach", "desert", "forest", "meadow", "mountain", "city street", "snow field",
)  # fmt: skip

OBJECTS = (
    "mug", "bowl", "bottle", "jar", "vase", "plate", "teapot", "basket", "box", "lamp",
)  # fmt: skip

PLACES = (
    "kitchen", "bathroom", "bedroom", "living room", "office", "classroom", "library",
    "restaurant", "garage", "workshop",
)  # fmt: skip

STATES = ("clean", "dirty", "dusty", "wet", "dry", "broken", "rusty", "new", "old")

LISTS = {
    "colours": COLOURS,
    "materials": MATERIALS,
    "animals": ANIMALS,
    "fruit": FRUIT,
    "vehicles": VEHICLES,
    "backgrounds": BACKGROUNDS,
    "objects": OBJECTS,
    "places": PLACES,
    "states": STATES,
}
KINDS = {name: name.removesuffix("s") for name in LISTS}
"""List → the type of an edit that swaps its words."""


def kind_of(word: str, new: str) -> str | None:
    """The type of a swap; None where no list has both words."""
    return next((KINDS[name] for name, those in LISTS.items() if {word, new} <= {*those}), None)
