"""Section service-principal: the account in whose name the code reads the lake."""
