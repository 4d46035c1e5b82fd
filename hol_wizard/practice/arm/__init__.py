"""Azure Resource Manager: subscriptions, providers, resource groups and the resources that the lab makes."""
