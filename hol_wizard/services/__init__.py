"""The external services, one module each; SDKs are imported inside the functions that use them."""
