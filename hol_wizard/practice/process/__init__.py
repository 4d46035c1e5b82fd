"""The program: its ports, its log, how it is started, controlled and stopped."""
