"""Paths as users give them, local or remote, and files that are written whole."""

from etils import epath


def expand(path: epath.PathLike) -> epath.Path:
    """A path as a user gives it: `~` stands for the home folder."""
    return epath.Path(path) if is_remote(path) else epath.Path(path).expanduser()


def is_remote(path: epath.PathLike) -> bool:
    """Whether a path is on no file system of this machine: gs://BUCKET and the like."""
    return "://" in str(path) or "://" in str(epath.Path(path))  # /gs/BUCKET


def absolute(path: epath.PathLike) -> epath.Path:
    """A path that does not depend on the working folder; epath mistakes remote ones."""
    return epath.Path(path) if is_remote(path) else epath.Path(path).absolute()


def write_whole(path: epath.Path, content: str | bytes, draft: str = "draft") -> None:
    """Writes under another name first: a killed run never leaves half a file.

    Processes that write the same file at the same time need different `draft` suffixes.
    """
    partial = path.with_name(f".{path.name}.{draft}")
    try:
        data = content if isinstance(content, bytes) else content.encode()
        partial.write_bytes(data)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
