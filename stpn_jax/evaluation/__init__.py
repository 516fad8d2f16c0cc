"""The test protocol, metrics, bootstrap intervals and attention inside of boxes."""
