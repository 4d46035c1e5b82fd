"""The basis of every service of the practice cloud: state, clock, requests, faults."""
