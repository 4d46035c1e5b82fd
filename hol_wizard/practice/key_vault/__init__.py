"""The data plane of the key vaults."""
