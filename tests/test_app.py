"""The page: predicts in a real browser, rejects hostile uploads, cleans up."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from reference import hostile, toy

import stpn_jax
from stpn_jax import app
from stpn_jax.inference import pictures
from stpn_jax.inference.predictions import Failure

LIMIT_SECONDS = 40
# Chromium calls nobody but the page.
QUIET = [
    f"--disable-{what}"
    for what in ("background-networking", "component-update", "sync", "gpu", "quic")
]
WAIT = 60_000  # milliseconds that the browser waits for a prediction


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy.export(tmp_path_factory.mktemp("model") / "artifact")


@pytest.fixture
def service(model, tmp_path):
    (tmp_path / "uploads").mkdir()
    classifier = stpn_jax.Classifier.load(model)
    return app.Service(classifier, tmp_path / "uploads", LIMIT_SECONDS)


def test_an_upload_is_predicted_and_deleted(service):
    path = toy.write_three_parts(service.folder / "three.mp4", seconds=36, rate=5)
    shown = service.upload(path)
    assert set(shown.shares) == set(toy.LABELS)
    assert shown.flow.shape == (40, 48, 3) and shown.timeline.ndim == 3
    assert shown.summary.startswith("three.mp4: 36.0 s of video; processed in ")
    assert [str(path) for path in service.folder.iterdir()] == [shown.overlay]


def test_an_unreadable_upload_is_deleted_too(service, monkeypatch):
    bad = service.folder / "bad.mp4"
    bad.write_text("no video")
    found = service.upload(str(bad))
    assert isinstance(found, Failure) and found.video == str(bad)
    assert found.reason.startswith("FFmpeg finds no video in it")
    long = toy.write_three_parts(service.folder / "long.mp4", seconds=60, rate=2)
    assert "too long: 60 s" in service.upload(long).reason

    def fail(*_):
        raise RuntimeError("disk full")

    monkeypatch.setattr(pictures, "write_overlay", fail)
    with pytest.raises(RuntimeError):
        service.upload(toy.write_clip(service.folder / "good.mp4"))
    assert not list(service.folder.iterdir())


def test_nothing_outside_its_folder_is_deleted(service, tmp_path):
    outside = pathlib.Path(toy.write_clip(tmp_path / "mine.mp4"))
    link = service.folder / "link.mp4"
    link.symlink_to(outside)
    for path in (outside, service.folder / ".." / "mine.mp4", link):
        service.upload(str(path))
    assert outside.exists()


def test_what_was_shown_is_deleted_after_a_while(service, monkeypatch, tmp_path):
    clip = toy.write_clip(tmp_path / "clip.mp4")
    first = service.predict(clip).overlay
    monkeypatch.setattr(app, "_KEPT_SECONDS", -1)
    second = service.predict(clip).overlay
    assert [str(path) for path in service.folder.iterdir()] == [second] != [first]
    assert os.path.exists(clip)


def test_samples_are_the_videos_of_a_folder(tmp_path):
    with pytest.raises(app.UsageError, match="there is no video in it"):
        app.find_samples(str(tmp_path))
    clip = toy.write_clip(tmp_path / "wave.mp4")
    assert app.find_samples(str(tmp_path)) == {"wave": clip}
    assert app.find_samples("") == {}


class Served:
    """The program with a browser's page on it.

    Attributes:
        folder: of uploads.
        errors: what the program has written.
    """

    def __init__(self, address, page, folder, errors):
        self.address, self.page, self.folder = address, page, folder
        self._errors = errors

    def predict(self, path):
        """What the page says about an upload."""
        self.page.set_input_files("#upload input[type=file]", path)
        return self._wait()

    def pick(self, name):
        """What the page says about a sample."""
        self.page.click("#sample input")
        self.page.get_by_role("option", name=name).click()
        return self._wait()

    def _wait(self):
        box = "document.querySelector('#summary textarea')"
        self.page.wait_for_function(f"{box}.value.length > 0", timeout=WAIT)
        # The page is busy as long as it may still change.
        self.page.wait_for_timeout(100)
        text = self.page.input_value("#summary textarea")
        self.page.evaluate(f"{box}.value = ''")
        return text

    def uploads(self):
        """Files in the folder of uploads, other than those it has made."""
        return [path.name for path in self.folder.rglob("*") if path.suffix in UPLOADS]

    @property
    def errors(self):
        return self._errors.read_text()


UPLOADS = (".avi", ".mkv", ".upload", ".m3u8", ".mpd", ".sdp")


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    pytest.importorskip("gradio", reason="pip install -e '.[app]'")
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="pip install playwright"
    )
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium")
    work = tmp_path_factory.mktemp("served")
    (work / "samples").mkdir()
    (work / "tmp").mkdir()
    toy.write_clip(work / "samples" / "going_right.mp4", step=4)
    port = 7000 + os.getpid() % 900
    command = [sys.executable, "-m", "stpn_jax.app", f"--model={model}"]
    command += [f"--samples={work / 'samples'}", f"--port={port}"]
    command += ["--limit_megabytes=2", f"--limit_seconds={LIMIT_SECONDS}"]
    log = work / "log.txt"
    environment = os.environ | {"TMPDIR": str(work / "tmp")}
    with open(log, "w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=environment
        )
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        if "Running on" in log.read_text():
            break
        assert process.poll() is None, log.read_text()
        time.sleep(0.5)
    (folder,) = (work / "tmp").glob("stpn_jax_app_*")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", *QUIET]
        )
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#upload input[type=file]", state="attached")
        yield Served(address, page, folder, log)
        browser.close()
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert not folder.exists()


@pytest.mark.exhaustive
def test_a_dropped_video_is_answered_in_the_browser(served, tmp_path):
    clip = toy.write_three_parts(tmp_path / "three.avi", seconds=36, rate=5)
    assert served.predict(clip).startswith("three.avi: 36.0 s of video")
    page = served.page
    assert set(toy.LABELS) <= set(page.inner_text("#classes").split("\n"))
    page.wait_for_function(
        "document.querySelector('#overlay video')?.videoWidth == 48", timeout=WAIT
    )
    page.wait_for_function("document.querySelector('#overlay video').currentTime > 0")
    for picture in ("#flow img", "#timeline img"):
        page.wait_for_function(f"document.querySelector('{picture}')?.naturalWidth > 0")
    assert not served.uploads()


@pytest.mark.exhaustive
def test_a_sample_is_answered_and_stays(served):
    assert served.pick("going_right").startswith("going_right.mp4: 0.5 s of video")
    best = "#classes [data-testid=label-output-value]:text-is('to the right')"
    served.page.wait_for_selector(best, timeout=WAIT)
    assert served.page.query_selector("#timeline img") is None
    assert served.pick("going_right")


@pytest.mark.exhaustive
def test_the_page_requests_nothing_from_other_servers(served):
    requested = []
    served.page.on("request", lambda request: requested.append(request.url))
    served.page.reload()
    served.page.wait_for_selector("#upload input[type=file]", state="attached")
    served.page.wait_for_load_state("networkidle")
    assert requested
    strangers = [
        url for url in requested if not url.startswith((served.address, "data:"))
    ]
    assert not strangers


@pytest.mark.exhaustive
def test_hostile_uploads_are_rejected_and_deleted(served, tmp_path):
    bad, maybe = hostile.make(tmp_path)
    count = 0
    for path in map(pathlib.Path, (*bad, *maybe)):
        if len(str(path)) > 1000 or "\0" in str(path) or not path.is_file():
            continue
        if tmp_path not in path.parents or path.stat().st_size > 1 << 20:
            continue
        name = path.name.encode(errors="replace").decode()
        content = path.read_bytes()
        upload = {"name": name, "mimeType": "video/mp4", "buffer": content}
        said = served.predict(upload)
        assert said.startswith("no prediction for ") or str(path) in maybe, said
        assert hostile.SECRET not in said
        count += 1
    assert count > 60
    assert not served.uploads()
    left = [p for p in served.folder.rglob("*") if p.is_file()]
    assert all(p.suffix in (".mp4", ".webp", ".png") for p in left), left
    assert "Traceback" not in served.errors
    assert served.pick("going_right").startswith("going_right.mp4: 0.5 s of video")


@pytest.mark.exhaustive
def test_files_of_the_machine_are_not_served(served, tmp_path):
    secret = tmp_path / "secret.mp4"
    shutil.copy(toy.write_clip(tmp_path / "clip.mp4"), secret)
    for path in (secret, "/etc/passwd", f"{served.folder}/../../log.txt"):
        with pytest.raises(urllib.error.HTTPError) as rejected:
            urllib.request.urlopen(f"{served.address}/gradio_api/file={path}")
        assert rejected.value.code in (403, 404)
    config = json.load(urllib.request.urlopen(f"{served.address}/config"))
    assert str(served.folder) not in json.dumps(config)
    number = next(
        one["id"] for one in config["dependencies"] if len(one["outputs"]) == 6
    )
    file = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    body = {"data": [file], "fn_index": number, "session_hash": "abc"}
    request = urllib.request.Request(
        f"{served.address}/gradio_api/queue/join",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).read()
    stream = urllib.request.urlopen(
        f"{served.address}/gradio_api/queue/data?session_hash=abc", timeout=30
    )
    text = stream.read().decode()
    assert re.search(r'"success": ?false', text), text
    assert secret.exists()


@pytest.mark.exhaustive
def test_too_large_an_upload_is_rejected(served):
    large = {"name": "a.avi", "mimeType": "video/x-msvideo", "buffer": bytes(3 << 20)}
    served.page.set_input_files("#upload input[type=file]", large)
    served.page.wait_for_selector("text=/exceeds|too large|maximum/i", timeout=WAIT)
    assert not served.uploads()
    assert served.pick("going_right").startswith("going_right.mp4: 0.5 s of video")
