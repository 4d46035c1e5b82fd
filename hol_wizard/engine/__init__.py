"""Statuses, the registry of checks and solves, the runner and the ledger; no screen, no SDK."""
