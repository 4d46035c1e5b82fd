"""What the wizard examines besides the steps: this machine, the account and its rights, costs, and the ledger."""
