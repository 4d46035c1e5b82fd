"""Builds, tests and tries the lab's container, with an engine on this machine or without one.

Steps use `workbench.Workbench`. `engine` finds the engine and communicates with it, `with_engine` and
`without_container` are the two workbenches, and `following` runs the starter's programs with live output. See
docs/containers.md.
"""
