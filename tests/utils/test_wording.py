"""A noun follows its number."""

from stpn_jax.utils import wording


def test_counts_in_singular_and_plural():
    found = [wording.counted(n, noun) for noun in ("clip", "class") for n in (0, 1, 2)]
    assert found == [
        "0 clips",
        "1 clip",
        "2 clips",
        "0 classes",
        "1 class",
        "2 classes",
    ]
