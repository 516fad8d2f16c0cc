"""Weight files of other programs and our own, as variables of a backbone."""
