"""Where the container of the lab is built, tested and asked: an engine on this machine, or the same without one.

`workbench.Workbench` is what steps use. `engine` finds the engine and talks to it, `with_engine` and
`without_container` are the two workbenches, and `following` runs the starter's programs with live output. See
docs/containers.md.
"""
