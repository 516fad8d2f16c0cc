"""TensorBoard files where the workdir lies, on a disk or in a bucket."""

from typing import TYPE_CHECKING

from etils import epath

if TYPE_CHECKING:
    import tensorboardX

REMOTE = ("gs", "s3", "az", "hf")


def open_writer(directory: epath.Path, first_step: int) -> "tensorboardX.SummaryWriter":
    """A writer whose file goes on after first_step: what is later is dropped."""
    import tensorboardX  # Slow to import, and needed by the training host only.

    for scheme in REMOTE:
        tensorboardX.record_writer.register_writer_factory(scheme, _RemoteFiles())
    return tensorboardX.SummaryWriter(str(directory), purge_step=first_step + 1)


class _RemoteFiles:
    """What tensorboardX asks of a file system; its own for buckets need a library."""

    def open(self, path: str) -> "_RemoteFile":
        return _RemoteFile(path)

    def directory_check(self, path: str) -> None:
        """Buckets have no folders to make."""


class _RemoteFile:
    """A file that cannot be added to: it is kept in memory and written anew."""

    def __init__(self, path: str):
        self._path, self._content, self._written = epath.Path(path), bytearray(), 0

    def write(self, data: bytes) -> None:
        self._content += data

    def flush(self) -> None:
        if len(self._content) > self._written:
            self._path.write_bytes(bytes(self._content))
            self._written = len(self._content)

    def close(self) -> None:
        self.flush()
