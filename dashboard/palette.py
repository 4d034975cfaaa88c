"""From tones to colours: the views say what a thing is, the palette which colour that has on this screen."""

from __future__ import annotations

import msgspec

from dashboard.model import Colour, Level, Tone
from shared.events import CYAN, GREEN, GREY, ORANGE, PURPLE, RED, YELLOW

WHITE: Colour = (222, 228, 235)
DIM: Colour = (96, 106, 118)

# Told apart with every common kind of colour blindness (after Okabe and Ito): blue for up and good, orange for down.
SKY: Colour = (86, 180, 233)
VERMILION: Colour = (232, 121, 48)

LEVEL_TONES: dict[Level, Tone] = {Level.OK: Tone.GOOD, Level.AMBER: Tone.WARN, Level.RED: Tone.BAD, Level.OFF: Tone.GREY}


class Palette(msgspec.Struct, frozen=True, kw_only=True):
    """The colours that differ between screens; all others are the same everywhere.

    Attributes
    ----------
    up, down
        Gains and buys, losses and sells.
    good
        What is as it should be: a living feed, a check that passed.
    """

    up: Colour = GREEN
    down: Colour = RED
    good: Colour = GREEN

    def colour(self, tone: Tone) -> Colour:
        """Return the colour of a tone, RGB of 0 to 255."""
        own = {Tone.UP: self.up, Tone.DOWN: self.down, Tone.GOOD: self.good}
        return own.get(tone) or _FIXED[tone]

    def level(self, level: Level) -> Colour:
        """Return the colour of a level."""
        return self.colour(LEVEL_TONES[level])


_FIXED: dict[Tone, Colour] = {
    Tone.PLAIN: WHITE,
    Tone.DIM: DIM,
    Tone.GREY: GREY,
    Tone.WARN: ORANGE,
    Tone.BAD: RED,
    Tone.AI: PURPLE,
    Tone.INFO: CYAN,
    Tone.YELLOW: YELLOW,
}


def palette_of(*, red_up: bool = False, colour_blind: bool = False) -> Palette:
    """Return the palette for these options; ``red_up`` swaps the colours of gains and losses, as East Asian desks expect."""
    up, down, good = (SKY, VERMILION, SKY) if colour_blind else (GREEN, RED, GREEN)
    return Palette(up=down, down=up, good=good) if red_up else Palette(up=up, down=down, good=good)
