"""What the experiments share: the paper's network and the recipe it cites.

The paper leaves much of the recipe open; each choice made for it says so here.
"""

import ml_collections

TSN_SCALES = (1.0, 0.875, 0.75, 0.66)
# TSN's learning-rate multipliers: biases of layers twice, and more for the first layer
# of the flow stream, which starts from images.
BIASES = ((r"(?<!bn)(?<!bn\d)/bias$", 2.0),)
FLOW_START = (
    ("^temporal/backbone/conv1(_7x7_s2|_1)?/kernel", 5.0),
    ("^temporal/backbone/conv1(_7x7_s2|_1)?/bias", 10.0),
)

WITHOUT_FIRST_BIAS = ("resnet50", "resnet152", "resnet152_caffe")


def get_config() -> ml_collections.ConfigDict:
    """The pyramid on BN-Inception; a data set's file fills in `data` and the steps."""
    return ordered(
        seed=0,
        data=data(),
        model=model(),
        stages=ordered(
            spatial=spatial_stage(),
            temporal=temporal_stage(),
            pyramid=pyramid_stage(),
        ),
        evaluation=evaluation(),
        run=ordered(
            log_every=20,
            validate_every=500,
            checkpoint_every=500,
            checkpoints=2,
            device_batch=0,
            remat="none",
        ),
    )


def ordered(**fields) -> ml_collections.ConfigDict:
    """A ConfigDict that keeps the order of its fields: stages run in it."""
    return ml_collections.ConfigDict(fields, sort_keys=False)


def data() -> ml_collections.ConfigDict:
    """Sections 3.2 and 4.1; TSN's crops stand for the paper's "image cropping"."""
    return ordered(
        dataset="",
        data_dir="",
        split=1,
        validation_fraction=0.1,
        validation_seed=0,
        size=(340, 256),
        crop_size=256,
        crop_scales=TSN_SCALES,
        max_distort=1,
        corner_crops=True,
        flip=True,
        input_size=224,
        flow_length=10,
        tau=(1, 10),
        threads=16,
        prefetch=4,
    )


def fusion(width: int = 4096) -> ml_collections.ConfigDict:
    """STCB; the normalisation after it is ours: without the scale nothing trains."""
    return ordered(kind="stcb", width=width, signed_sqrt=True, l2=True, scale=0.0)


def model() -> ml_collections.ConfigDict:
    """Figure 2; d = 4096 is stated for the last level only and taken for all."""
    return ordered(
        backbone="bn_inception",
        weights="weights/bn_inception.pth",
        flow_weights="",
        head="new",
        dtype="float32",
        sketch_seed=0,
        temporal=fusion(),
        attention=fusion(),
        attention_from="both",
        attention_hidden=64,
        attention_activation="relu",
        pyramid=fusion(),
        sync_batch_norm=False,
    )


def stage(**fields) -> ml_collections.ConfigDict:
    """Caffe's SGD with TSN's momentum and weight decay, which the paper omits."""
    defaults = {
        "init": (),
        "drop_factor": 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "batch_norm": "first",
        "multipliers": BIASES,
        "cached_views": 0,
        "trained_on": "train",
        "select": "last",
    }
    return ordered(**(defaults | fields))


def spatial_stage(
    steps: int = 3500, drops: tuple[int, ...] = (1500, 3000)
) -> ml_collections.ConfigDict:
    """Fine-tuning of the image stream as TSN does it; the paper refers to it."""
    return stage(
        network="spatial",
        paths=0,
        steps=steps,
        batch=128,
        learning_rate=0.001,
        drops=drops,
        clip=40.0,
        dropout=0.8,
    )


def temporal_stage(
    steps: int = 18000, drops: tuple[int, ...] = (10000, 16000)
) -> ml_collections.ConfigDict:
    """Fine-tuning of the flow stream from the image weights, as TSN does it."""
    return stage(
        network="temporal",
        paths=1,
        steps=steps,
        batch=128,
        learning_rate=0.005,
        drops=drops,
        clip=20.0,
        dropout=0.7,
        multipliers=FLOW_START + BIASES,
    )


def pyramid_stage() -> ml_collections.ConfigDict:
    """Section 4.1, with the ResNet schedule; dropout and clip are ours."""
    return stage(
        network="pyramid",
        paths=3,
        init=("spatial", "temporal"),
        steps=20000,
        batch=32,
        learning_rate=0.001,
        drops=(10000,),
        clip=20.0,
        dropout=0.5,
    )


def evaluation() -> ml_collections.ConfigDict:
    """Section 4.7: 10 snippets of 3 frames; 10 views as the two-stream method."""
    return ordered(snippets=10, views=10, frames=3, centres="random", seed=0, batch=8)


def use_lite0(config: ml_collections.ConfigDict) -> None:
    """EfficientNet-Lite0, whose ImageNet weights come with the installation.

    Its convolutions have no biases, so TSN's multipliers have little to act on.
    """
    for one in config.stages.values():
        one.multipliers = ()
    config.model.backbone = "efficientnet_lite0"
    config.model.weights = "package:efficientnet-lite0"


def shrink(config: ml_collections.ConfigDict, steps: dict[str, int]) -> None:
    """Sizes and steps for a machine with a few cores and no accelerator.

    With so few steps the streams need higher rates than TSN's, above all their new
    classifiers, and batch statistics of their own: with those of ImageNet, the flow
    stream dies within ten steps. The pyramid keeps the paper's rate and the streams'
    statistics.
    """
    config.data.update(
        size=(170, 128), crop_size=128, crop_scales=(1.0, 0.875, 0.75), input_size=112
    )
    config.data.threads = 4
    for name, count in steps.items():
        drops = (count * 6 // 10, count * 85 // 100)
        config.stages[name].update(steps=count, drops=drops, batch=16, dropout=0.5)
    for name in ("spatial", "temporal"):
        config.stages[name].update(
            learning_rate=0.002,
            batch_norm="trained",
            multipliers=(("^classifier", 5.0),),
        )
    config.stages.pyramid.batch_norm = "frozen"
    config.evaluation.update(snippets=3, views=2, frames=3, centres="even", batch=8)
    config.run.update(log_every=10, validate_every=100, checkpoint_every=50)


def use_backbone(config: ml_collections.ConfigDict, name: str) -> None:
    """Another backbone, from weights/NAME.pth unless the config trains from scratch.

    The schedules of section 4.1: VGG has ten times the rate of ResNet and half as many
    steps again.
    """
    config.model.backbone = name
    if name in WITHOUT_FIRST_BIAS:
        for one in config.stages.values():
            one.multipliers = tuple(
                rule for rule in one.multipliers if rule not in FLOW_START[1:]
            )
    if config.model.weights != "none":
        config.model.weights = f"weights/{name}.pth"
    if name.startswith("vgg16"):
        pyramid = config.stages.pyramid
        third = pyramid.steps // 2
        pyramid.update(steps=3 * third, drops=(third, 2 * third))
        pyramid.learning_rate *= 10
