"""Pull requests of Azure Repos: proposals, reviewers and votes, comments, statuses, policies, merging."""
