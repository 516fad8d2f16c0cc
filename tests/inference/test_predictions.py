"""Names of the files that belong to a video lead nowhere else."""

from stpn_jax.inference import predictions
from stpn_jax.inference.predictions import Failure


def test_videos_of_one_name_keep_their_files_apart():
    assert predictions.unique_names(["a/x.avi", "b/x.mp4", "x-2.avi", "b/x.avi"]) == [
        "x",
        "x-2",
        "x-2-2",
        "x-3",
    ]


def test_nothing_in_a_name_leads_to_another_place():
    names = predictions.unique_names(
        [
            "../../etc/passwd.avi",
            "..",
            "/",
            ".hidden.mp4",
            "a\\..\\b.mp4",
            "line\nbreak\x1b[31m.mp4",
            "é" * 200 + ".mp4",
            "broken\udce9.mp4",
        ]
    )
    assert names[0] == "passwd" and names[1] == "video" and names[2] == "video-2"
    assert names[3] == "hidden" and names[4] == "a_.._b"
    assert names[5] == "line_break_[31m" and names[6] == "é" * 50
    assert names[7] == "broken_"
    assert all("/" not in name and len(name.encode()) <= 100 for name in names)


def test_a_failure_has_its_reason():
    found = predictions.as_json(Failure("a.avi", "empty"))
    assert found == {"video": "a.avi", "error": "empty"}
