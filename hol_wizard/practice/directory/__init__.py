"""What the practice tenant's directory holds: people, applications, service principals."""
