"""A product photo as a description that draws itself, its mask and its counterfactuals.

Knows nothing of models or files. What surrounds the object is painted without looking at the
object's colour, and the object is laid over it by its coverage: so a colour edit changes no pixel
that the object doesn't touch, shadow included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from pipeline.demo.backgrounds import BACKGROUNDS, Pixels
from pipeline.demo.outlines import OUTLINES

OBJECTS = tuple(OUTLINES)
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (205, 30, 40),
    "orange": (242, 130, 20),
    "yellow": (248, 220, 40),
    "green": (30, 155, 60),
    "turquoise": (50, 205, 200),
    "blue": (35, 75, 210),
    "purple": (120, 45, 165),
    "pink": (250, 130, 185),
    "white": (245, 245, 245),
    "black": (35, 35, 40),
}
MATERIALS = ("matt", "glossy", "striped")
PLACES = {
    "plain": ("a plain backdrop", "plain paper"),
    "gradient": ("a gradient backdrop", "gradient paper"),
    "wood": ("wood", "a wood table"),
    "tiles": ("tiles", "a floor of tiles"),
    "fabric": ("fabric", "a piece of fabric"),
    "grass": ("grass", "a lawn of grass"),
}
"""background → its two phrasings."""
PHRASINGS = (
    "a photo of {a_colour} {object} on {place}",
    "{a_colour} {object} on {place}",
    "a product photo of {a_colour} {object} on {place}",
    "a picture of {a_colour} {object}, {material}, on {place}",
    "a photo of {a_colour} {material} {object} on {place}",
)
OVERSAMPLING = 4

Size = int | tuple[int, int]
"""Pixels: one side of a square, or (width, height)."""


@dataclass(frozen=True)
class Thing:
    """One object in the frame. Centre and scale in half short sides, angle in degrees."""

    object: str
    colour: str
    material: str
    x: float
    y: float
    scale: float
    rotation: float
    mirrored: bool


@dataclass(frozen=True)
class Scene:
    """A product photo. `companion` is a second, smaller thing that edits must leave alone."""

    thing: Thing
    background: str
    light: float
    texture_seed: int
    phrasing: int
    companion: Thing | None = None

    @classmethod
    def draw(cls, seed: int) -> Scene:
        """The scene of a seed."""
        rng = np.random.default_rng(seed)
        companion = _draw_companion(rng) if rng.random() < 0.15 else None
        return cls(
            thing=_draw_thing(rng, beside=companion),
            background=str(rng.choice(list(BACKGROUNDS))),
            light=float(rng.uniform(-150, -30)),
            texture_seed=int(rng.integers(2**31)),
            phrasing=int(rng.integers(2 * len(PHRASINGS))),
            companion=companion,
        )

    @property
    def caption(self) -> str:
        """What the photo shows, in one of the phrasings; the companion is not named."""
        template, place = divmod(self.phrasing, 2)
        article = "an" if self.thing.colour[0] in "aeiou" else "a"
        return PHRASINGS[template].format(
            a_colour=f"{article} {self.thing.colour}",
            object=self.thing.object,
            material=self.thing.material,
            place=PLACES[self.background][place],
        )

    def edited(
        self,
        *,
        colour: str | None = None,
        object: str | None = None,
        background: str | None = None,
    ) -> Scene:
        """The true counterfactual: the same photo with only this changed.

        Raises ValueError for a word that no scene knows.
        """
        for word, known in ((colour, COLOURS), (object, OUTLINES), (background, BACKGROUNDS)):
            if word is not None and word not in known:
                raise ValueError(f"no scene can show {word!r}; use one of {', '.join(known)}")
        thing = replace(
            self.thing,
            colour=colour or self.thing.colour,
            object=object or self.thing.object,
        )
        return replace(self, thing=thing, background=background or self.background)

    def coverage(self, size: Size) -> Pixels:
        """How much of each pixel the object covers, (H, W) in [0, 1]."""
        return _rasterise(self.thing, _width_height(size))[0]

    def mask(self, size: Size) -> NDArray[np.bool_]:
        """The pixels that the object covers at least by half, (H, W)."""
        return self.coverage(size) >= 0.5

    def render(self, size: Size) -> Image.Image:
        """The photo in RGB."""
        wh = _width_height(size)
        x, y = _frame(wh)
        light = np.array([math.cos(math.radians(self.light)), math.sin(math.radians(self.light))])
        rng = np.random.default_rng(self.texture_seed)
        photo = BACKGROUNDS[self.background](x, y, rng)
        photo = photo * (1.0 + 0.1 * (x * light[0] + y * light[1]))[..., None]
        things = [t for t in (self.companion, self.thing) if t is not None]
        layers = [(thing, *_rasterise(thing, wh)) for thing in things]
        for thing, cover, _ in layers:
            photo = photo * (1 - 0.5 * _shadow(cover, light, thing.scale))[..., None]
        for thing, cover, tone in layers:
            photo = photo + cover[..., None] * (_paint(thing, cover, tone, x, y, light) - photo)
        return Image.fromarray(np.round(np.clip(photo, 0, 1) * 255).astype(np.uint8), "RGB")


def _draw_companion(rng: np.random.Generator) -> Thing:
    side = 1 if rng.random() < 0.5 else -1
    return Thing(
        object=str(rng.choice(OBJECTS)),
        colour=str(rng.choice(list(COLOURS))),
        material="matt",
        x=side * float(rng.uniform(0.72, 0.8)),
        y=float(rng.uniform(0.5, 0.75)),
        scale=float(rng.uniform(0.19, 0.24)),
        rotation=float(rng.uniform(-10, 10)),
        mirrored=bool(rng.random() < 0.5),
    )


def _draw_thing(rng: np.random.Generator, beside: Thing | None) -> Thing:
    shift = 0.0 if beside is None else -0.22 * math.copysign(1, beside.x)
    return Thing(
        object=str(rng.choice(OBJECTS)),
        colour=str(rng.choice(list(COLOURS))),
        material=str(rng.choice(MATERIALS, p=[0.45, 0.3, 0.25])),
        x=float(rng.uniform(-0.13, 0.13)) + shift,
        y=float(rng.uniform(-0.1, 0.12)),
        scale=float(rng.uniform(0.58, 0.76)) - 0.08 * (beside is not None),
        rotation=float(rng.uniform(-12, 12)),
        mirrored=bool(rng.random() < 0.5),
    )


def _width_height(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _frame(wh: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Pixel centres, (H, W) each, with the shorter side spanning [-1, 1]."""
    width, height = wh
    short = min(wh)
    x = ((np.arange(width, dtype=np.float32) + 0.5) * 2 - width) / short
    y = ((np.arange(height, dtype=np.float32) + 0.5) * 2 - height) / short
    grid_x, grid_y = np.meshgrid(x, y)
    return grid_x, grid_y


def _rasterise(thing: Thing, wh: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Coverage and tone of an object, (H, W) each, anti-aliased."""
    width, height = wh
    canvas = (width * OVERSAMPLING, height * OVERSAMPLING)
    cover, tone = Image.new("L", canvas), Image.new("L", canvas, 170)
    paint_cover, paint_tone = ImageDraw.Draw(cover), ImageDraw.Draw(tone)
    turn = math.radians(thing.rotation)
    rotate = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    mirror = np.array([-1.0 if thing.mirrored else 1.0, 1.0])
    for part in OUTLINES[thing.object]:
        placed = (part.points * mirror * thing.scale) @ rotate + np.array([thing.x, thing.y])
        pixels = (placed * min(wh) + np.array([width, height])) * OVERSAMPLING / 2
        corners = [(float(px), float(py)) for px, py in pixels]
        paint_cover.polygon(corners, fill=255)
        paint_tone.polygon(corners, fill=round(170 * part.tone))
    shrink = [np.asarray(im.reduce(OVERSAMPLING), dtype=np.float32) for im in (cover, tone)]
    return shrink[0] / 255, shrink[1] / 170


def _blur(image: Pixels, radius: float) -> Pixels:
    """Gaussian blur, radius in half short sides."""
    pixels = Image.fromarray(np.round(image * 255).astype(np.uint8))
    blurred = pixels.filter(ImageFilter.GaussianBlur(radius * min(image.shape) / 2))
    return np.asarray(blurred, dtype=np.float32) / 255


def _shadow(cover: Pixels, light: NDArray[np.float64], scale: float) -> Pixels:
    """The coverage thrown away from the light and softened."""
    short = min(cover.shape)
    dx, dy = (round(-float(part) * 0.12 * scale * short / 2) for part in light)
    return _blur(np.roll(cover, (dy, dx), axis=(0, 1)), 0.07)


def _paint(
    thing: Thing,
    cover: Pixels,
    tone: Pixels,
    x: Pixels,
    y: Pixels,
    light: NDArray[np.float64],
) -> Pixels:
    """The object's surface under the light, (H, W, 3): hue from the colour, form from the light."""
    u, v = (x - thing.x) / thing.scale, (y - thing.y) / thing.scale
    base = np.array(COLOURS[thing.colour], dtype=np.float32) / 255
    surface = np.broadcast_to(base, (*x.shape, 3))
    if thing.material == "striped":
        towards = 0.0 if base.mean() > 0.7 else 1.0
        turn = math.radians(thing.rotation)
        across = u * math.cos(turn) + v * math.sin(turn)
        stripe = np.clip(0.5 + 4 * np.sin(across * 2 * np.pi / 0.42), 0, 1)[..., None] * 0.35
        surface = surface * (1 - stripe) + towards * stripe
    down, right = np.gradient(_blur(cover, 0.12))
    edge = -(right * light[0] + down * light[1]) * min(cover.shape) * 0.06
    lit = tone * (0.94 + 0.6 * np.clip(edge, -0.5, 0.5) + 0.1 * (u * light[0] + v * light[1]))
    painted = surface * lit[..., None]
    if thing.material == "glossy":
        distance = (u - 0.3 * light[0] + 0.1) ** 2 / 0.08 + (v - 0.3 * light[1]) ** 2 / 0.05
        shine = (0.75 * np.exp(-distance))[..., None]
        painted = painted * (1 - shine) + shine
    return np.asarray(painted, dtype=np.float32)
