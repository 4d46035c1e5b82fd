"""The code that serves the trained model."""
