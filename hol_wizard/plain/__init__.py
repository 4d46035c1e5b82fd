"""`hol-wizard --plain`: the lab in lines and numbered choices, for screen readers and simple terminals."""

from hol_wizard.plain.guide import run

__all__ = ["run"]
