"""Class lists, official splits and the tfds builder of each data set."""
