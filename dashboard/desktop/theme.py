"""Fonts, colours and spacings of the window. One theme per purpose, made once and shared: a theme per item would leak."""

from __future__ import annotations

from pathlib import Path

import dearpygui.dearpygui as dpg

from dashboard.model import Colour, Tone
from dashboard.palette import Palette

FONT = Path(__file__).resolve().parent.parent / "fonts" / "DejaVuSansMono.ttf"
TEXT_PX = 13
SMALL_PX = 11
BIG_PX = 20

BACKGROUND = (11, 14, 18)
PANEL = (17, 22, 28)
LINE = (38, 46, 56)
FIELD = (28, 35, 44)
FIELD_HOVER = (40, 50, 62)
ACCENT = (45, 110, 160)
TEXT = (222, 228, 235)


class Style:
    """The fonts, colours and themes of one window.

    Attributes
    ----------
    scale
        Factor on every length.
    small, big
        The fonts of what stands beside, and of figures that must be read from afar; 0 without a font file.
    badges, bars
        Themes by tone: words in a frame, and the filled part of a bar.
    danger, primary, buy, sell
        Button themes: what cannot be undone, the one that acts, and the two sides of a trade.
    banners
        Themes of the alert line: red, amber, and nothing to tell.
    """

    def __init__(self, scale: float, palette: Palette | None = None) -> None:
        self.scale = scale
        self.palette = palette or Palette()
        text, self.small, self.big = _fonts(scale)
        if text:
            dpg.bind_font(text)
        dpg.bind_theme(_base(scale))
        self.badges = {tone: _badge(self.colour(tone)) for tone in (Tone.INFO, Tone.BAD, Tone.WARN, Tone.AI)}
        self.bars = {tone: _bar(self.colour(tone)) for tone in (Tone.UP, Tone.DOWN, Tone.INFO, Tone.GREY, Tone.DIM)}
        self.sparks = {tone: _spark(self.colour(tone)) for tone in (Tone.UP, Tone.DOWN, Tone.PLAIN, Tone.DIM)}
        self.danger = _button((150, 28, 30), (198, 40, 40))
        self.primary = _button(ACCENT, (60, 135, 190))
        self.buy = _button(_darker(self.palette.up), self.palette.up)
        self.sell = _button(_darker(self.palette.down), self.palette.down)
        self.banners = {"red": _banner((92, 20, 24)), "amber": _banner((84, 58, 10)), "calm": _banner(PANEL)}

    def px(self, length: float) -> int:
        """Return a length at this scale."""
        return round(length * self.scale)

    def colour(self, tone: Tone) -> Colour:
        """Return the colour of a tone on this screen."""
        return self.palette.colour(tone)


def font_problem() -> str:
    """Return why the shipped font cannot be used, or ``""``."""
    if FONT.is_file():
        return ""
    return f"font: was missing at {FONT.name} in dashboard/fonts, expected it in the installation; signs like ▲ ✓ show as ?"


def _fonts(scale: float) -> tuple[int, int, int]:
    if font_problem():  # dpg.add_font raises SystemError for a missing file
        return 0, 0, 0
    with dpg.font_registry():
        text, small, big = (int(dpg.add_font(str(FONT), round(px * scale))) for px in (TEXT_PX, SMALL_PX, BIG_PX))
    return text, small, big


def _base(scale: float) -> int:
    colours = {
        dpg.mvThemeCol_WindowBg: BACKGROUND,
        dpg.mvThemeCol_ChildBg: PANEL,
        dpg.mvThemeCol_PopupBg: PANEL,
        dpg.mvThemeCol_Border: LINE,
        dpg.mvThemeCol_Text: TEXT,
        dpg.mvThemeCol_FrameBg: FIELD,
        dpg.mvThemeCol_FrameBgHovered: FIELD_HOVER,
        dpg.mvThemeCol_FrameBgActive: FIELD_HOVER,
        dpg.mvThemeCol_Button: FIELD,
        dpg.mvThemeCol_ButtonHovered: FIELD_HOVER,
        dpg.mvThemeCol_ButtonActive: ACCENT,
        dpg.mvThemeCol_Header: (32, 58, 80),
        dpg.mvThemeCol_HeaderHovered: (36, 48, 60),
        dpg.mvThemeCol_HeaderActive: (45, 80, 110),
        dpg.mvThemeCol_CheckMark: (204, 102, 255),
        dpg.mvThemeCol_Tab: FIELD,
        dpg.mvThemeCol_TabHovered: FIELD_HOVER,
        dpg.mvThemeCol_TabActive: (36, 66, 92),
        dpg.mvThemeCol_SliderGrab: ACCENT,
        dpg.mvThemeCol_SliderGrabActive: (90, 170, 225),
        dpg.mvThemeCol_TableHeaderBg: (23, 29, 37),
        dpg.mvThemeCol_TableRowBg: PANEL,
        dpg.mvThemeCol_TableRowBgAlt: (21, 27, 34),
        dpg.mvThemeCol_TableBorderLight: LINE,
        dpg.mvThemeCol_TableBorderStrong: LINE,
        dpg.mvThemeCol_TitleBgActive: (60, 20, 22),
        dpg.mvThemeCol_ModalWindowDimBg: (0, 0, 0, 150),
        dpg.mvThemeCol_ScrollbarBg: PANEL,
        dpg.mvThemeCol_ScrollbarGrab: (60, 70, 82),
    }
    styles = {
        dpg.mvStyleVar_WindowPadding: (8, 7),
        dpg.mvStyleVar_FramePadding: (6, 3),
        dpg.mvStyleVar_ItemSpacing: (7, 4),
        dpg.mvStyleVar_CellPadding: (3, 2),
        dpg.mvStyleVar_ScrollbarSize: (11, 0),
        dpg.mvStyleVar_GrabMinSize: (10, 0),
        dpg.mvStyleVar_FrameRounding: (3, 0),
        dpg.mvStyleVar_ChildRounding: (4, 0),
        dpg.mvStyleVar_WindowRounding: (4, 0),
    }
    with dpg.theme() as theme, dpg.theme_component(dpg.mvAll):
        for target, colour in colours.items():
            dpg.add_theme_color(target, colour)
        for target, (x, y) in styles.items():
            dpg.add_theme_style(target, x * scale, y * scale)
        for target, colour in (
            (dpg.mvPlotCol_PlotBg, BACKGROUND),
            (dpg.mvPlotCol_FrameBg, PANEL),
            (dpg.mvPlotCol_AxisGrid, LINE),
        ):
            dpg.add_theme_color(target, colour, category=dpg.mvThemeCat_Plots)
        dpg.add_theme_style(dpg.mvPlotStyleVar_PlotMinSize, 60 * scale, 40 * scale, category=dpg.mvThemeCat_Plots)
        dpg.add_theme_style(dpg.mvPlotStyleVar_PlotPadding, 4 * scale, 4 * scale, category=dpg.mvThemeCat_Plots)
    return int(theme)


def _badge(colour: Colour) -> int:
    """Return the theme of a word in a frame: it looks the same pressed or not."""
    red, green, blue = colour
    with dpg.theme() as theme, dpg.theme_component(dpg.mvButton):
        for target in (dpg.mvThemeCol_Button, dpg.mvThemeCol_ButtonHovered, dpg.mvThemeCol_ButtonActive):
            dpg.add_theme_color(target, (red // 4, green // 4, blue // 4))
        dpg.add_theme_color(dpg.mvThemeCol_Text, colour)
        dpg.add_theme_color(dpg.mvThemeCol_Border, colour)
        dpg.add_theme_style(dpg.mvStyleVar_FrameBorderSize, 1)
    return int(theme)


def _button(colour: Colour, hover: Colour) -> int:
    with dpg.theme() as theme, dpg.theme_component(dpg.mvButton):
        dpg.add_theme_color(dpg.mvThemeCol_Button, colour)
        dpg.add_theme_color(dpg.mvThemeCol_ButtonHovered, hover)
        dpg.add_theme_color(dpg.mvThemeCol_ButtonActive, hover)
        dpg.add_theme_color(dpg.mvThemeCol_Text, (255, 255, 255))
    return int(theme)


def _banner(colour: Colour) -> int:
    with dpg.theme() as theme, dpg.theme_component(dpg.mvChildWindow):
        dpg.add_theme_color(dpg.mvThemeCol_ChildBg, colour)
    return int(theme)


def _bar(colour: Colour) -> int:
    with dpg.theme() as theme, dpg.theme_component(dpg.mvProgressBar):
        dpg.add_theme_color(dpg.mvThemeCol_PlotHistogram, _darker(colour))
    return int(theme)


def _spark(colour: Colour) -> int:
    with dpg.theme() as theme, dpg.theme_component(dpg.mvSimplePlot):
        dpg.add_theme_color(dpg.mvThemeCol_PlotLines, colour)
        dpg.add_theme_color(dpg.mvThemeCol_FrameBg, (*PANEL, 0))
        dpg.add_theme_style(dpg.mvStyleVar_FramePadding, 0, 1)
    return int(theme)


def _darker(colour: Colour) -> Colour:
    """Return a colour that white text can be read on."""
    red, green, blue = colour
    return round(red * 0.55), round(green * 0.55), round(blue * 0.55)


def line_theme(colour: Colour, weight: float = 1.5, fill_alpha: int = 255, marker: int | None = None) -> int:
    """Return a theme for a plot series: line, fill and marker in one colour."""
    with dpg.theme() as theme:
        for kind in (dpg.mvLineSeries, dpg.mvShadeSeries, dpg.mvScatterSeries, dpg.mvInfLineSeries, dpg.mvBarSeries):
            with dpg.theme_component(kind):
                dpg.add_theme_color(dpg.mvPlotCol_Line, colour, category=dpg.mvThemeCat_Plots)
                dpg.add_theme_color(dpg.mvPlotCol_Fill, (*colour, fill_alpha), category=dpg.mvThemeCat_Plots)
                dpg.add_theme_style(dpg.mvPlotStyleVar_LineWeight, weight, category=dpg.mvThemeCat_Plots)
                if marker is not None:
                    dpg.add_theme_color(dpg.mvPlotCol_MarkerFill, colour, category=dpg.mvThemeCat_Plots)
                    dpg.add_theme_color(dpg.mvPlotCol_MarkerOutline, colour, category=dpg.mvThemeCat_Plots)
                    dpg.add_theme_style(dpg.mvPlotStyleVar_Marker, marker, category=dpg.mvThemeCat_Plots)
                    dpg.add_theme_style(dpg.mvPlotStyleVar_MarkerSize, 6, category=dpg.mvThemeCat_Plots)
    return int(theme)
