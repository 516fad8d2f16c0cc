"""Shape checks on, and where the real clips lie if they are here."""

import os
import pathlib
import subprocess
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Threads of OpenMP that wait would take the cores of the other tests.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Pytest's workers and the processes that tests start share what they compile.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    COMPILED = tempfile.TemporaryDirectory(prefix="stpn_jax_tests_")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED.name

import jax
import jaxtyping
import pytest

CHECKED = [
    *("ops", "models", "train", "evaluation", "weights", "export", "figures"),
    *("datasets", "input_pipeline", "prepare", "records", "synthetic", "video"),
    *("report", "inference"),
]
jaxtyping.install_import_hook(
    ["studies", *(f"stpn_jax.{part}" for part in CHECKED)], "beartype.beartype"
)

LONGEST = ("end_to_end", "parity", "gpu_report", "smoke", "step", "multihost", "tvl1")
"""Parts of the names of those files of tests that take longest."""

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take longest begin first, so that the workers end together."""

    def is_short(item: pytest.Item) -> bool:
        file = item.nodeid.partition("::")[0]
        return not any(name in file for name in LONGEST)

    items.sort(key=is_short)


@pytest.fixture(scope="session")
def real_clips() -> pathlib.Path:
    """Folder with ucf101/ and hmdb51/; the test is skipped where it is absent."""
    folder = SHARED / "clips"
    if not folder.exists():
        pytest.skip(f"no real clips: {folder} is absent")
    return folder


@pytest.fixture(scope="session")
def official_splits() -> pathlib.Path:
    """Folder with the official split lists of ucf101/ and hmdb51/."""
    folder = SHARED / "splits"
    if not folder.exists():
        pytest.skip(f"no official splits: {folder} is absent")
    return folder


@pytest.fixture(scope="module")
def quickly_compiled():
    """Compiles without optimisations, here and in processes that are started.

    For modules in which compiling takes longer than what is compiled, and once for all
    processes.
    """
    options = {
        "jax_disable_most_optimizations": True,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: jax.config.values[name] for name in options}
    jax.clear_caches()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in options.items():
            jax.config.update(name, value)
            patch.setenv(name.upper(), str(value))
        yield
    for name, value in before.items():
        jax.config.update(name, value)
    jax.clear_caches()


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system of so many KiB, or gives it another size."""
    place = tmp_path / "disk"
    place.mkdir()

    def resize(size):
        options = ("remount," if place.is_mount() else "") + f"size={size}k"
        mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(place)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("no right to mount a small disk")
        return place

    yield resize
    if place.is_mount():
        subprocess.run(["umount", "--lazy", str(place)], check=True)
