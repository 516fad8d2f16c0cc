"""One training run: state, loss, step, optimizer, stages and the loop."""
