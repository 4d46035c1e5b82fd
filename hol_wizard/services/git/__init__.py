"""git on this machine: the program, clones, what is pushed to a repository, and how git gets the sign-in."""
