"""Preprocessors: what a control video becomes before it guides. Canny is real; depth and pose are stand-ins."""

from dataclasses import dataclass
from typing import Any

from local.comfyui_preview.engine.inputs import choice, dynamic, flag, integer, link, number, takes
from local.comfyui_preview.engine.node import Node, Result
from local.comfyui_preview.numerics import likeness
from local.comfyui_preview.numerics.canny import canny
from local.comfyui_preview.numerics.frames import changed
from local.comfyui_preview.values import Image, Model


class Canny(Node):
    inputs = takes(
        image=link("IMAGE"),
        low_threshold=number(0.4, 0.01, 0.99, 0.01),
        high_threshold=number(0.8, 0.01, 0.99, 0.01),
    )
    outputs = (("IMAGE", "IMAGE"),)

    def run(self, *, image: Image, low_threshold: float, high_threshold: float) -> Result:
        return Result((changed(image, lambda one: canny(one, low_threshold, high_threshold)),))


@dataclass(frozen=True, eq=False)
class Geometry:
    """What a depth model would have found: here only the pictures, from which the map is drawn."""

    pictures: Image


class DA3Inference(Node):
    inputs = takes(
        da3_model=link("DA3_MODEL"),
        image=link("IMAGE"),
        resolution=integer(504, 140, 2520, 14),
        resize_method=choice("upper_bound_resize", "lower_bound_resize"),
        mode=dynamic(
            mono={},
            multiview=takes(
                ref_view_strategy=choice("saddle_balanced", "saddle_sim_range", "first", "middle"),
                pose_method=choice("cam_dec", "ray_pose"),
            ),
        ),
    )
    outputs = (("DA3_GEOMETRY", "da3_geometry"),)

    def run(self, *, image: Image, **_: Any) -> Result:
        return Result((Geometry(image),))


class DA3Render(Node):
    """Of the four renderings of the real node the preview draws one: depth. The others are refused by name."""

    inputs = takes(
        da3_geometry=link("DA3_GEOMETRY"),
        output=dynamic(
            depth=takes(normalization=choice("v2_style", "min_max", "raw"), apply_sky_clip=flag(default=False))
        ),
    )
    outputs = (("IMAGE", "IMAGE"),)

    def run(self, *, da3_geometry: Geometry, **_: Any) -> Result:
        return Result((changed(da3_geometry.pictures, likeness.depth),))


@dataclass(frozen=True, eq=False)
class Keypoints:
    """The points of every picture, found while they are drawn."""

    pictures: Image


class SDPoseKeypointExtractor(Node):
    """Tells its progress in batches of pictures, as the real one does."""

    inputs = takes(
        model=link("MODEL"),
        vae=link("VAE"),
        image=link("IMAGE"),
        batch_size=integer(16, 1, 10000),
        bboxes=link("BOUNDING_BOX", optional=True),
    )
    outputs = (("POSE_KEYPOINT", "keypoints"),)

    def run(self, *, model: Model, image: Image, batch_size: int, **_: Any) -> Result:
        if "sdpose" not in model.name:
            raise ValueError("The provided model does not have a heatmap_head.")
        for done in range(batch_size, image.count + batch_size, batch_size):
            self.job.report(min(done, image.count), image.count)
        return Result((Keypoints(image),))


class SDPoseDrawKeypoints(Node):
    """Draws body and head; the stand-in has no hands, face points or feet, and is sure of all its points."""

    inputs = takes(
        keypoints=link("POSE_KEYPOINT"),
        draw_body=flag(default=True),
        draw_hands=flag(default=True),
        draw_face=flag(default=True),
        draw_feet=flag(default=False),
        stick_width=integer(4, 1, 10),
        face_point_size=integer(3, 1, 10),
        score_threshold=number(0.3, 0.0, 1.0, 0.01),
        draw_head=flag(default=True),
    )
    outputs = (("IMAGE", "IMAGE"),)

    def run(
        self, *, keypoints: Keypoints, draw_body: bool, draw_head: bool = True, stick_width: int, **_: Any
    ) -> Result:
        pictures = keypoints.pictures
        shape = (pictures.height, pictures.width)
        return Result(
            (
                changed(
                    pictures,
                    lambda one: likeness.sticks(
                        likeness.figure(one), shape, body=draw_body, head=draw_head, thick=stick_width
                    ),
                ),
            )
        )
