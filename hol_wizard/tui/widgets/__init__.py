"""Light widgets of our own: each draws itself, none is made of others."""
