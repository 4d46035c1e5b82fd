"""The code that answers with the trained model."""
