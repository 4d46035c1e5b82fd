"""The lab as content: sections, steps, naming rules and the reader's choices."""
