"""The shapes that an artifact's programs take."""

from export.test_artifact import PREPROCESSING

from stpn_jax.export import artifact


def test_shapes_follow_from_the_preprocessing():
    shapes = {
        kind: {name: x.shape[1:] for name, x in arguments.items()}
        for kind, arguments in artifact.arguments(PREPROCESSING).items()
    }
    assert shapes["snippets"] == {
        "rgb": (1, 3, 16, 16),
        "flow": (3, 4, 16, 16),
        "box": (4,),
        "flip": (),
    }
    assert shapes["frames"] == {"frames": (5, 3, 20, 24)}


def test_every_argument_is_explained():
    for kind in artifact.KINDS:
        for argument in artifact.describe(kind, PREPROCESSING).values():
            assert argument["meaning"] and argument["shape"][0] == "b"
