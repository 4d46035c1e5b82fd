"""Entra ID: sign-in and tokens."""
