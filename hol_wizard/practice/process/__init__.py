"""The practice cloud's process: its ports, its log, starting, controlling and stopping it."""
