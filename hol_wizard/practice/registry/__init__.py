"""Container registries: the OCI distribution API, and the additions of Azure Container Registry."""
