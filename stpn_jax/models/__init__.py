"""The boxes of the paper's Figure 2 as Flax modules, one file each."""
