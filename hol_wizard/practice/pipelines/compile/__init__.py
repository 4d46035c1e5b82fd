"""The YAML of a pipeline is compiled to a plan, or refused with the place of each problem."""
