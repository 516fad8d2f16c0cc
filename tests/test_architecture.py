"""Imports follow the arrows of the design; heavy libraries stay where they belong."""

import ast
import functools
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = "stpn_jax"

EVERYBODY = {"utils"}
"""What any part may import."""

ARROWS: dict[str, set[str]] = {
    PACKAGE: {"api"},
    "arrays": set(),
    "cli": set(),
    "cluster": set(),
    "config": set(),
    "utils": set(),
    "ops": {"arrays"},
    "parallel": {"arrays"},
    "preemption": set(),
    "figures": {"arrays"},
    "export": {"arrays"},
    "weights": {"arrays"},
    "weights.__main__": {"cli", "weights", "models.backbones"},
    "models": {"ops", "arrays", "config"},
    "video": {"ops", "arrays"},
    "records": {"arrays"},
    "datasets": {"records", "video"},
    "input_pipeline": {"records", "video", "arrays", "config"},
    "prepare": {"cli", "datasets", "figures", "ops", "records", "video"},
    "synthetic": {"cli", "evaluation.attention_share"},
    "train": {"parallel", "preemption", "arrays", "config"},
    "evaluation": {"parallel", "arrays", "config"},
    "report": {"figures", "evaluation", "arrays"},
    "inference": {
        "arrays",
        "export",
        "input_pipeline.sampling",
        "ops.tvl1",
        "video",
    },
    "api": {"export", "inference", "video"},
    "inference.pictures": {"figures", "inference"},
    "app": {"api", "cli", "figures", "inference", "video"},
    "predict": {"api", "cli", "export", "inference", "video"},
    "config_flag": {"config"},
    "config_facts": {"config"},
    "main": {
        "cli",
        "cluster",
        "config_flag",
        "evaluation.attention_share",
        "experiment",
        "parallel",
    },
    "experiment": {
        "arrays",
        "config",
        "config_facts",
        "datasets.official_splits",
        "evaluation",
        "export",
        "figures",
        "input_pipeline",
        "models",
        "ops",
        "parallel",
        "preemption",
        "records",
        "report",
        "train",
        "video",
        "weights",
    },
}
"""Part of the package -> what it may import besides itself."""

NOWHERE = {"torch", "torchvision"}
"""Never imported, not even inside a function."""

ONLY_INSIDE = {
    "tensorflow": "datasets",
    "tensorflow_datasets": "datasets",
}
"""Library -> the only part that may import it."""

LAZY = {"tensorflow", "gradio"}
"""Imported inside functions alone: slow to load, and absent on some machines."""

NOT_FOR_PREDICT = {
    "tensorflow",
    "tensorflow_datasets",
    "absl",
    "cv2",
    "flax",
    "grain",
    "matplotlib",
    "ml_collections",
    "optax",
    "orbax",
    "stpn_jax.models",
    "stpn_jax.train",
    "stpn_jax.evaluation",
    "stpn_jax.weights",
    "stpn_jax.experiment",
}


class Import(NamedTuple):
    module: str
    lazy: bool


@functools.cache
def modules() -> dict[str, pathlib.Path]:
    """Dotted name -> file, for every module of the package."""
    names = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts).removesuffix(".__init__")] = path
    return names


@functools.cache
def imports(name: str) -> tuple[Import, ...]:
    """What a module imports, and whether inside a function."""
    return tuple(_walk(ast.parse(modules()[name].read_text()), lazy=False))


def _walk(node: ast.AST, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "relative import"
            yield from (
                Import(_resolve(child.module, a.name), lazy) for a in child.names
            )
        else:
            inside = isinstance(
                child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
            )
            yield from _walk(child, lazy or inside)


def _resolve(module: str | None, name: str) -> str:
    """`from a import b` means the module a.b where there is one, else a."""
    inner = f"{module}.{name}"
    return inner if inner in modules() or module == PACKAGE else str(module)


def part(name: str) -> str:
    """The row of ARROWS that a module belongs to; some commands have their own."""
    inner = name.removeprefix(f"{PACKAGE}.")
    return inner if inner in ARROWS else inner.split(".")[0]


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def loaded_with(name: str) -> set[str]:
    """Everything that importing a module imports, as far as our own code tells."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        if current in modules():
            waiting += [one.module for one in imports(current) if not one.lazy]
            waiting += [current.rpartition(".")[0]] if "." in current else []
    return found


def test_imports_follow_the_arrows():
    offenders = []
    for name in modules():
        own = part(name)
        allowed = {own} | EVERYBODY | ARROWS.get(own, set())
        for imported in imports(name):
            inner = imported.module.removeprefix(f"{PACKAGE}.")
            if inner != imported.module and not any(within(inner, x) for x in allowed):
                offenders.append(f"{name} imports {inner}")
    assert not offenders


def test_every_part_has_a_row_of_arrows_and_every_row_is_a_part():
    parts = {part(name) for name in modules()}
    named = {one for allowed in ARROWS.values() for one in allowed}
    unknown = [
        one
        for one in named
        if not any(within(name, f"{PACKAGE}.{one}") for name in modules())
    ]
    assert (parts ^ set(ARROWS), unknown) == (set(), [])


def test_libraries_stay_where_they_belong():
    offenders = []
    for name in modules():
        for imported in imports(name):
            library = imported.module.split(".")[0]
            home = f"{PACKAGE}.{ONLY_INSIDE[library]}" if library in ONLY_INSIDE else ""
            if (
                library in NOWHERE
                or (home and not within(name, home))
                or (library in LAZY and not imported.lazy)
            ):
                offenders.append(f"{name} imports {imported.module}")
    assert not offenders


def test_the_package_knows_neither_studies_nor_configs():
    offenders = [
        f"{name} imports {imported.module}"
        for name in modules()
        for imported in imports(name)
        if imported.module.split(".")[0] in ("studies", "configs")
    ]
    assert not offenders


def test_config_loads_without_ml_collections():
    assert "ml_collections" not in loaded_with(f"{PACKAGE}.config")


def test_prediction_commands_stand_alone():
    offenders = []
    for command in ("api", "app", "predict"):
        loaded = loaded_with(f"{PACKAGE}.{command}")
        assert f"{PACKAGE}.export.artifact" in loaded
        offenders += [
            f"{command} loads {name}"
            for name in sorted(loaded)
            if any(within(name, one) for one in NOT_FOR_PREDICT)
        ]
    assert not offenders


def test_a_prediction_loads_neither_flax_nor_tensorflow_nor_matplotlib_nor_cv2():
    program = (
        "import sys, stpn_jax; from stpn_jax import cli, predict; stpn_jax.Classifier; "
        "print(*{'flax', 'tensorflow', 'matplotlib', 'cv2'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_training_can_do_without_matplotlib():
    loaded = loaded_with(f"{PACKAGE}.main")
    assert "flax" in loaded
    assert not [name for name in loaded if within(name, "matplotlib")]


def test_a_module_is_short_and_says_what_it_is():
    offenders = []
    for name, path in modules().items():
        text = path.read_text()
        docstring = ast.get_docstring(ast.parse(text)) or ""
        first = docstring.partition("\n")[0]
        if text.count("\n") > 450 or not first.endswith((".", ":", "?")):
            offenders.append(name)
    assert not offenders


def test_no_file_name_is_used_for_two_things():
    stems: dict[str, list[str]] = {}
    for name, path in modules().items():
        if path.stem not in ("__init__", "__main__"):
            stems.setdefault(path.stem, []).append(name)
    assert not {stem: names for stem, names in stems.items() if len(names) > 1}


def test_no_two_test_files_share_a_name():
    """pytest imports them by it."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
