"""The kinds of resources that the lab creates, one module each, and the context of steps and kinds."""
