"""A file of boxes comes back as it was written; a wrong line is named."""

import pytest

from stpn_jax.evaluation import attention_share
from stpn_jax.utils.errors import UsageError

HEADER = "video,frame,y0,x0,y1,x1\n"


def test_boxes_come_back_by_video_and_frame(tmp_path):
    rows = [
        attention_share.Row('a, "quoted"/clip.mp4', 0, 0.0, 0.25, 0.5, 1.0),
        attention_share.Row('a, "quoted"/clip.mp4', 0, 0.5, 0.0, 1.0, 0.125),
        attention_share.Row("b/clip.mp4", 7, 0.1, 0.1, 0.1, 0.2),
    ]
    attention_share.write(tmp_path / "boxes.csv", rows)
    found = attention_share.read(tmp_path / "boxes.csv")
    assert found == {
        ('a, "quoted"/clip.mp4', 0): [(0.0, 0.25, 0.5, 1.0), (0.5, 0.0, 1.0, 0.125)],
        ("b/clip.mp4", 7): [(0.1, 0.1, 0.1, 0.2)],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the header"),
        ("video,frame\n", "expected the header"),
        (HEADER + "a,0,0,0,1,1\na,0,0,0,1\n", "line 3"),
        (HEADER + "a,0,0,0,1,1,1\n", "line 2"),
        (HEADER + "a,first,0,0,1,1\n", "found 'a,first,0,0,1,1'"),
        (HEADER + "a,-1,0,0,1,1\n", "line 2"),
        (HEADER + "a,0,0,0,72,72\n", "line 2"),
        (HEADER + "a,0,0.5,0,0.4,1\n", "line 2"),
        (HEADER + "a,0,nan,0,0.4,1\n", "line 2"),
    ],
)
def test_what_is_no_box_is_named(tmp_path, text, message):
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        attention_share.read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.csv: no such file"):
        attention_share.read(tmp_path / "none.csv")
