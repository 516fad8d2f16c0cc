"""UCF101: 13,320 clips of 101 classes, with three official splits."""

from stpn_jax.datasets import listing, official_splits, video_records
from stpn_jax.utils.errors import UsageError


class Ucf101(video_records.VideoRecords, skip_registration=True):  # type: ignore[call-arg]
    """Frames and TV-L1 flow of UCF101, one example a video."""

    HOMEPAGE = "https://www.crcv.ucf.edu/data/UCF101.php"
    CITATION = """@article{soomro2012ucf101,
  title={UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild},
  author={Soomro, Khurram and Zamir, Amir Roshan and Shah, Mubarak},
  journal={arXiv:1212.0402},
  year={2012}
}"""

    @staticmethod
    def list_clips(options: video_records.Options) -> listing.Listing:
        """Clips at <class>/v_<class>_gNN_cNN.avi that are in the official lists."""
        if not options.splits:
            raise UsageError(
                "--dataset=ucf101 needs --splits=DIR, the folder with classInd.txt, "
                "trainlist01.txt and so on (UCF101TrainTestSplits-RecognitionTask.zip)"
            )
        return listing.official(
            options.videos,
            official_splits.ucf101(options.splits),
            lambda label, name: official_splits.ucf101_source(name),
            options.folders,
        )
