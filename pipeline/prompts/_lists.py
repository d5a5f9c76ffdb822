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

LISTS = {
    "colours": COLOURS,
    "materials": MATERIALS,
    "animals": ANIMALS,
    "fruit": FRUIT,
    "vehicles": VEHICLES,
    "backgrounds": BACKGROUNDS,
}
