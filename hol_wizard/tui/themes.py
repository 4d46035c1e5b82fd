"""Our two themes; style sheets and texts use only theme variables."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="hol-dark",
    primary="#62aeff",
    secondary="#a48cf5",
    accent="#f6bd60",
    success="#5fce93",
    warning="#f0b64e",
    error="#f77f88",
    foreground="#dfe6f0",
    background="#0f131a",
    surface="#151b25",
    panel="#1f2836",
    dark=True,
    variables={
        "block-cursor-foreground": "#ffffff",
        "block-cursor-background": "#23548c",
        "block-cursor-blurred-foreground": "#dfe6f0",
        "block-cursor-blurred-background": "#263347",
        "footer-background": "#151b25",
        "border": "#62aeff",
        "border-blurred": "#33415a",
        "scrollbar": "#33415a",
        "scrollbar-hover": "#46597a",
        "scrollbar-active": "#62aeff",
        "scrollbar-background": "#151b25",
        "scrollbar-corner-color": "#151b25",
    },
)

LIGHT = Theme(
    name="hol-light",
    primary="#0b5cad",
    secondary="#6246c9",
    accent="#9a5200",
    success="#1a7040",
    warning="#8a5600",
    error="#b0233a",
    foreground="#1d2531",
    background="#fbfaf7",
    surface="#f4f2ec",
    panel="#e6e2d8",
    dark=False,
    variables={
        "block-cursor-foreground": "#ffffff",
        "block-cursor-background": "#0b5cad",
        "block-cursor-blurred-foreground": "#1d2531",
        "block-cursor-blurred-background": "#d6dfea",
        "footer-background": "#e6e2d8",
        "border": "#0b5cad",
        "border-blurred": "#c3bdae",
        "scrollbar": "#c3bdae",
        "scrollbar-hover": "#a79f8c",
        "scrollbar-active": "#0b5cad",
        "scrollbar-background": "#f4f2ec",
        "scrollbar-corner-color": "#f4f2ec",
    },
)

THEMES = {"dark": DARK, "light": LIGHT}
