"""What types the commands of the lab's documents: how they are found, the shell, and the programs in it."""
