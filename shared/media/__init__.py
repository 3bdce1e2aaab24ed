"""Videos through ffmpeg, pictures through Pillow."""

from shared.media.clips import fit_video, hold_image
from shared.media.images import ImageInfo, check_image, normalise_image
from shared.media.probe import MediaInfo, probe
from shared.media.sample import Sample, sample
from shared.media.users import VideoInfo, check_video
from shared.media.video import check_delivered, poster

__all__ = [
    "ImageInfo",
    "MediaInfo",
    "Sample",
    "VideoInfo",
    "check_delivered",
    "check_image",
    "check_video",
    "fit_video",
    "hold_image",
    "normalise_image",
    "poster",
    "probe",
    "sample",
]
