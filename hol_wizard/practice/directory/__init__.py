"""The practice tenant's directory: people, applications, service principals."""
