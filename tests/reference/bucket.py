"""A bucket of this machine: `python -m tests.reference.bucket PORT`, and how to use it.

The emulator does not know moves, and leaves out the generations that TensorStore wants
with what it reads.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

NAME = "bucket"


@contextlib.contextmanager
def served() -> Iterator[dict[str, str]]:
    """Serves an empty bucket; gives the environment in which gs://bucket is it."""
    port = _free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.reference.bucket", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        address = f"http://127.0.0.1:{port}"
        yield os.environ | {
            "STORAGE_EMULATOR_HOST": address,
            "TENSORSTORE_GCS_HTTP_URL": address,
            "EPATH_USE_TF": "0",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        }
    finally:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait(port: int) -> None:
    for _ in range(100):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port)),
        ):
            return
        time.sleep(0.1)
    raise TimeoutError("the bucket's server did not start")


def serve(port: int) -> None:
    from gcp_storage_emulator import server

    for _, handlers in server.HANDLERS:
        if "GET" in handlers:
            handlers["GET"] = _with_generation(handlers["GET"])
    move = rf"^/storage/v1/b/{NAME}/o/(?P<source>.+)/moveTo/o/(?P<target>.+)$"
    server.HANDLERS = ((move, {"POST": _move}), *server.HANDLERS)
    server.create_server("127.0.0.1", port, in_memory=True, default_bucket=NAME).run()


def _move(request, response, storage, *_, **__):
    from gcp_storage_emulator.handlers import objects

    names = {"bucket_name": NAME, "dest_bucket_name": NAME}
    names["object_id"] = request.params["source"]
    names["dest_object_id"] = request.params["target"]
    request.params.update(names)
    objects.copy(request, response, storage)
    storage.delete_file(NAME, names["object_id"])


def _with_generation(handler):
    from gcp_storage_emulator.exceptions import NotFound

    def handle(request, response, storage, *arguments, **more):
        handler(request, response, storage, *arguments, **more)
        if "object_id" in request.params:
            name = request.params["bucket_name"], request.params["object_id"]
            with contextlib.suppress(NotFound):
                found = storage.get_file_obj(*name)
                response["x-goog-generation"] = found["generation"]

    return handle


if __name__ == "__main__":
    serve(int(sys.argv[1]))
