"""Runs of pipelines: stages, checkpoints, jobs and results. One job of a run is a job of the kernel (`agent`)."""
