"""The full-screen wizard; the only package that knows Textual."""
