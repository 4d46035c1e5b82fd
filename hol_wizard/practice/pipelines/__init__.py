"""The practice pipelines: a committed YAML file is compiled to a plan, the plan is run.

Three parts, which know each other by the plain data of `plan` only: `compile` (text to plan; no process, no network),
`orchestrate` (stages, jobs, checks, the timeline) and `agent` (one job). `expressions` is the language of all three.
They know the practice cloud's kernel and nothing else of it.
"""
