"""The test protocol, its scores and its tables."""
