"""Request bodies that the OpenAPI document shows; a test holds that they are legal and leave no option out."""

from collections.abc import Mapping
from typing import Any

PROMPT = "A lighthouse on a cliff at dusk; waves break over the rocks, gulls call."
IMAGE = "https://example.com/lighthouse.png"
CLIP = "https://example.com/walk.mp4"
UPLOAD_ID = "0123456789abcdef0123456789abcdef"  # pragma: allowlist secret


def _example(summary: str, **body: Any) -> Mapping[str, Any]:
    return {"summary": summary, "value": body}


def _video(summary: str, **fields: Any) -> Mapping[str, Any]:
    return _example(summary, prompt=PROMPT, **fields)


EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "text": _video("Text to video, with every default: fast, 720p, 10 seconds"),
    "image": _video("Image to video", image_urls=[IMAGE]),
    "uploaded_image": _video("Image to video, the image uploaded before", upload_id=UPLOAD_ID),
    "pro": _video("The best and longest: 120 credits", quality="pro", resolution="1080p", duration=20, steps=30),
    "fast": _video("Fifteen seconds of fast 720p", quality="fast", resolution="720p", duration=15),
    "camera": _video("A camera move", camera="dolly_in"),
    "free_camera": _video("The prompt decides about the camera", camera="none"),
    "one_pass": _video("One pass at full size", spatial_upscale=False),
    "smooth": _video("48 frames a second", temporal_upscale=True),
    "detailer": _video("Finer texture", detailer=True),
    "depth": _video("Held to the depth of another video", control={"type": "depth", "video_url": CLIP}),
    "edges": _video(
        "Held to the edges of the input image", image_urls=[IMAGE], control={"type": "canny", "source": "image"}
    ),
    "pose": _video(
        "Held, loosely, to poses that were drawn before and uploaded",
        camera="static",
        control={"type": "pose", "upload_id": UPLOAD_ID, "preprocessed": True, "strength": 0.8},
    ),
    "full_precision": _video("The weights unquantized", precision="full"),
    "fp8": _video("The weights as fp8, which is the default", precision="fp8"),
    "seed": _video("The same video again", seed=7),
    "no_early_look": _video("Without the small clip of the first stage", early_look=False),
    "webhook": _video(
        "Told when it has ended", webhook_url="https://mivo.example.com/webhooks/ltx2", metadata={"user": "17"}
    ),
    "mivo": _example(
        "What Mivo's pages send",
        tasks=[
            {
                "model": "ltx-2-i2v",
                "prompt": PROMPT,
                "quality": "pro",
                "resolution": "1080p",
                "duration": 10,
                "camera_lora": "static",
                "seed": 7,
                "image_urls": [IMAGE],
                "aspect_ratio": "16:9",
            }
        ],
    ),
    "several": _example(
        "Five at once, one for each of the other camera moves",
        tasks=[
            {"model": "ltx-2-t2v", "prompt": PROMPT, "camera_lora": camera}
            for camera in ("dolly_out", "dolly_left", "dolly_right", "jib_up", "jib_down")
        ],
    ),
}

UPLOAD_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "image": _example("An image", media_type="image/png", bytes=1_048_576),
    "video": _example("A control video", media_type="video/mp4", bytes=8_388_608),
}

STAGE_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "base_gen": _example("base_gen: a prompt is enough", prompt=PROMPT),
    "later": _example("The later stages: go on from a manifest", manifest=f"manifests/base_gen/{'0' * 64}.json"),
}
