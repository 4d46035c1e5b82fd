"""Azure DevOps Services: an organization (`client`), each of its subjects in a module of its own."""
