"""The outside world: one module for each thing; SDKs are imported inside the functions that use them."""
