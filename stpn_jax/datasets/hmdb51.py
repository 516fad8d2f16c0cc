"""HMDB51: 6,766 clips of 51 classes, with three official splits."""

from stpn_jax.datasets import listing, official_splits, video_records
from stpn_jax.utils.errors import UsageError


class Hmdb51(video_records.VideoRecords, skip_registration=True):  # type: ignore[call-arg]
    """Frames and TV-L1 flow of HMDB51, one example a video."""

    HOMEPAGE = (
        "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/"
    )
    CITATION = """@inproceedings{kuehne2011hmdb,
  title={HMDB: A Large Video Database for Human Motion Recognition},
  author={Kuehne, H. and Jhuang, H. and Garrote, E. and Poggio, T. and Serre, T.},
  booktitle={International Conference on Computer Vision},
  year={2011}
}"""

    @staticmethod
    def list_clips(options: video_records.Options) -> listing.Listing:
        """Clips at <class>/<film>_<class>_....avi that are in the official lists."""
        if not options.splits:
            raise UsageError(
                "--dataset=hmdb51 needs --splits=DIR, the folder with "
                "<class>_test_split1.txt and so on (test_train_splits.rar)"
            )
        return listing.official(
            options.videos,
            official_splits.hmdb51(options.splits),
            lambda label, name: official_splits.hmdb51_source(name, label),
            options.folders,
        )
