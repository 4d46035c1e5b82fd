"""Azure DevOps Services of the practice cloud: organizations, users, projects."""
