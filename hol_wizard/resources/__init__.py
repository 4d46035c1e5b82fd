"""What the lab creates, one module for each kind of resource, and the context in which steps and kinds work."""
