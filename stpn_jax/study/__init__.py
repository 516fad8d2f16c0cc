"""What each part of the pyramid is worth: the runs and tables of RESULTS.md."""
