"""Videos through ffmpeg, pictures through Pillow."""

from shared.media.images import ImageInfo, check_image, normalise_image
from shared.media.probe import MediaInfo, probe
from shared.media.video import deliver_video, poster

__all__ = ["ImageInfo", "MediaInfo", "check_image", "deliver_video", "normalise_image", "poster", "probe"]
