"""What every service of the practice cloud is made of and runs on: state, clock, requests, faults."""
