"""The runs of a table: config file x row x split or seed, over shared streams."""

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence

from etils import epath

from stpn_jax import config as configs
from stpn_jax import config_flag
from stpn_jax.config import Config
from stpn_jax.experiment import initialize, run_dir
from stpn_jax.utils import manifest
from stpn_jax.utils.errors import UsageError
from studies.result_store import column
from studies.rows import Repeat, Row, Study, Table

STUDY_FILE = "configs/study.py"
# The hyperparameter search: three quarters of the training groups train, with a seed
# that no study uses, and the other quarter is scored; no test video is read.
SEARCH_REPEAT: Repeat = (1000, 1000)
SEARCH_OVERRIDES = ("--config.data.validation_fraction=0.25",)
JOINT = "joint"  # the table whose streams go on learning in a brief study too
BRIEF_SIDE = 32  # pixels: the feature maps of the smallest backbone then are 4 x 4


@dataclasses.dataclass(frozen=True)
class Run:
    """One training of one row.

    Attributes:
        table: name of its table.
        row: of the table.
        config: of the run.
        directory: its workdir.
        streams: folder of the single streams, which other rows share.
    """

    table: str
    row: Row
    config: Config
    directory: epath.Path
    streams: epath.Path

    @property
    def columns(self) -> dict[str, str]:
        """Result of the run -> name of its column in the result store."""
        repeat = self.config.seed, self.config.model.sketch_seed
        variant = self.row.variant
        return {name: column(variant, name, repeat) for name in self.row.result_names}


def plan_table(
    name: str,
    table: Table,
    files: Sequence[str],
    splits: Sequence[int],
    overrides: Sequence[str],
    root: epath.Path,
) -> Iterator[Run]:
    """The runs of a table of the paper, for each config file and each split.

    Args:
        name: of the table.
        table: what to run.
        files: FILE or FILE:VARIANT of each data set.
        splits: official splits, or empty for the table's.
        overrides: --config.A.B=VALUE, for rows that have that field's stage.
        root: folder of the table.
    """
    for row in table.rows:
        for file in files:
            variant = f"{file}{',' if ':' in file else ':'}{row.variant}"
            config = load_fitting(variant, overrides)
            # Folders of videos have but one split.
            own = table.splits if config.data.dataset != "folder" else ()
            for split in splits or own or (config.data.split,):
                of_split = (*overrides, f"--config.data.split={split}")
                config = load_fitting(variant, of_split)
                folder = root / f"{config.data.dataset}-split{split}"
                streams = folder / f"streams-{config.model.backbone}"
                yield Run(name, row, config, folder / row.variant, streams)


def check_table(runs: Sequence[Run], overrides: Sequence[str]) -> None:
    """Rejects what would make a table wrong, before its first row starts.

    Raises:
        UsageError: an override is for a stage of no row, a row's config lacks the
            stages of its results, or two runs are one and the same: by an override of
            what a row sets, a config file that ignores its variant, or two config files
            of one data set.
    """
    check_stages(overrides, (run.config for run in runs))
    seen: dict[object, Run] = {}
    for run in runs:
        name, names = run.row.variant, {stage.name for stage in run.config.stages}
        needed = {stage for stages in run.row.results for stage in stages}
        if missing := needed - names:
            raise UsageError(
                f"{name}: its config has no stage {', '.join(sorted(missing))}; does "
                "get_config hand the variant on, as configs/demo.py does?"
            )
        for key in (run.config, run.directory):
            if key in seen:
                raise UsageError(
                    f"{name} and {seen[key].row.variant} are the same run: an "
                    "override, or a config file that ignores its variant, undoes what "
                    "rows set, or two config files have one data set and need two "
                    "--workdir"
                )
            seen[key] = run


def plan_study(
    study: Study,
    folder: epath.Path,
    overrides: Sequence[str],
    seeds: int = 0,
    choice: str = "",
    brief: bool = False,
) -> Iterator[Run]:
    """The runs of a study, seed by seed, so that an early end leaves whole rows.

    Rows whose configs are equal share one workdir, so that they are trained once.

    Args:
        study: which.
        folder: of its runs.
        overrides: --config.A.B=VALUE, for rows that have that field's stage.
        seeds: of each row, or 0 for the tables' own.
        choice: name of a trial of the hyperparameter search.
        brief: whether all is cut down to a few updates.
    """
    seen: dict[Config, epath.Path] = {}
    repeats = [
        (repeat, name, table)
        for name, table in study.tables.items()
        for repeat in ([SEARCH_REPEAT] if choice else table.repeats(seeds))
    ]
    if choice:
        overrides = (*SEARCH_OVERRIDES, *overrides)
    for (seed, sketch), name, table in sorted(repeats, key=lambda one: one[0]):
        fields = (f"--config.seed={seed}", f"--config.model.sketch_seed={sketch}")
        place = folder / f"seed{seed}"
        for row in table.rows:
            file = f"{STUDY_FILE}:{study.variant},{row.variant}"
            config = load_fitting(file, (*fields, *overrides))
            config = shorten(config, name != JOINT) if brief else config
            own = place / f"{row.variant}-{choice or f'sketch{sketch}'}"
            directory = seen.setdefault(config, own)
            streams = place / f"streams-{_streams_key(config, overrides)}"
            yield Run(name, row, config, directory, streams)


def shorten(config: Config, frozen: bool) -> Config:
    """A few updates of a few samples on the smallest backbone, as a quick check.

    Nearly all the time it takes is compilation, so the levels are over frozen streams.

    Args:
        config: of a row.
        frozen: whether its levels may be.
    """
    replace = dataclasses.replace
    short = {"steps": 4, "batch": 8, "lr_milestones": ()}
    return replace(
        config,
        data=replace(config.data, input_size=BRIEF_SIDE),
        model=replace(config.model, backbone="tiny", weights="none", flow_weights=""),
        stages=tuple(
            replace(one, cached_views=int(frozen and bool(one.init)), **short)
            for one in config.stages
        ),
        evaluation=replace(config.evaluation, snippets=1, views=1),
    )


def _streams_key(config: Config, overrides: Sequence[str]) -> str:
    """Tells streams from others of the same seed; a row may have one stream only."""
    own = [one for one in overrides if stage_of(one) in initialize.STREAMS]
    facts = configs.facts(dataclasses.replace(config, stages=()))
    free = (*configs.FREE_FIELDS, *run_dir.FUSION_FIELDS)
    flat = manifest.flatten(facts).items()
    kept = {name: value for name, value in flat if not name.startswith(free)}
    text = json.dumps(kept, sort_keys=True) + "".join(own)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def load_fitting(file: str, overrides: Sequence[str]) -> Config:
    """The config of a file, without overrides of stages that it lacks."""
    stages = ("", *_stages(file))
    return config_flag.load(file, [x for x in overrides if stage_of(x) in stages])


@functools.cache
def _stages(file: str) -> tuple[str, ...]:
    return tuple(stage.name for stage in config_flag.load(file, ()).stages)


def check_stages(overrides: Sequence[str], loaded: Iterable[Config]) -> None:
    """Raises UsageError for an override of a stage that no config has."""
    stages = {stage.name for config in loaded for stage in config.stages}
    for override in overrides:
        if stage_of(override) not in ("", *stages):
            known = ", ".join(sorted(stages))
            raise UsageError(f"{override}: no row has that stage; they have {known}")


def stage_of(override: str) -> str:
    """The stage that an override is for; empty for other overrides."""
    match = re.match(r"--config\.stages\.(\w+)", override)
    return match[1] if match else ""
