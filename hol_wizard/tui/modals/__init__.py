"""Dialogs with questions and messages over a screen."""
