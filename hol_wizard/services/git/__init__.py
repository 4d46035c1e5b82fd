"""git on this machine: the program, clones, pushes to a repository, and how git gets the sign-in."""
