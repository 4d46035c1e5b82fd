"""Azure DevOps Services of the practice cloud: organizations, who is in them, projects."""
