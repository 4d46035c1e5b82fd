"""Section cluster: what runs the notebooks."""
