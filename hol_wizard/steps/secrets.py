"""Section secrets: the secret scope and what is in it."""
