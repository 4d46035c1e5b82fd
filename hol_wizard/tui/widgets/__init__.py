"""Our lightweight widgets: each draws itself, and none contains others."""
