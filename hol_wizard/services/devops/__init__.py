"""Azure DevOps Services: an organization (`client`), and a module for each of its areas."""
