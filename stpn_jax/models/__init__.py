"""Flax modules; stpn.py is the network of the paper's Figure 2."""
