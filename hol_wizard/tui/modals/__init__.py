"""The questions and messages that stand over a screen."""
