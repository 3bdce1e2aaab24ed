"""A picture for image-to-video that is easy to recognise: a lighthouse at dusk, drawn with Pillow."""

from io import BytesIO

from PIL import Image, ImageDraw, ImageFilter

SIZE = (1280, 720)
_DUSK = ((24, 32, 84), (196, 88, 96), (252, 196, 104))  # zenith, above the horizon, at the horizon
_SEA = ((92, 84, 120), (14, 26, 56))
_HORIZON = 460


def _mix(first: tuple[int, ...], second: tuple[int, ...], share: float) -> tuple[int, ...]:
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))


def _sky_and_sea() -> Image.Image:
    image = Image.new("RGB", SIZE)
    draw = ImageDraw.Draw(image)
    for row in range(SIZE[1]):
        if row < _HORIZON:
            share = row / _HORIZON
            half = 0.65
            colour = (
                _mix(_DUSK[0], _DUSK[1], share / half)
                if share < half
                else _mix(_DUSK[1], _DUSK[2], (share - half) / (1 - half))
            )
        else:
            colour = _mix(_SEA[0], _SEA[1], (row - _HORIZON) / (SIZE[1] - _HORIZON))
        draw.line([(0, row), (SIZE[0], row)], fill=colour)
    return image


def _sun(image: Image.Image) -> None:
    glow = Image.new("RGB", SIZE, (255, 176, 96))
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).ellipse((240, 300, 480, 540), fill=200)
    mask = mask.filter(ImageFilter.GaussianBlur(40))
    mask.paste(0, (0, _HORIZON, *SIZE))
    image.paste(glow, mask=mask)
    draw = ImageDraw.Draw(image)
    draw.pieslice((290, 370, 430, 510), 180, 360, fill=(255, 236, 180))
    for step in range(9):
        half = 80 - 7 * step
        draw.line(
            [(360 - half, _HORIZON + 14 + 22 * step), (360 + half, _HORIZON + 14 + 22 * step)], (250, 196, 130), 4
        )


def _lighthouse(image: Image.Image) -> None:
    beam = Image.new("L", SIZE)
    ImageDraw.Draw(beam).polygon([(930, 196), (0, 40), (0, 190)], fill=90)
    beam = beam.filter(ImageFilter.GaussianBlur(10))
    image.paste(Image.new("RGB", SIZE, (255, 244, 200)), mask=beam)
    draw = ImageDraw.Draw(image)
    draw.polygon([(720, 720), (800, 590), (870, 560), (1010, 555), (1100, 600), (1280, 640), (1280, 720)], (28, 26, 40))
    for band in range(6):
        top, bottom = 230 + 56 * band, 286 + 56 * band
        left, right = 900 - 6 * band, 960 + 6 * band
        colour = (214, 54, 48) if band % 2 == 0 else (244, 240, 232)
        draw.polygon([(left, top), (right, top), (right + 6, bottom), (left - 6, bottom)], fill=colour)
    draw.rectangle((890, 218, 970, 230), fill=(40, 40, 52))
    draw.rectangle((906, 176, 954, 218), fill=(255, 246, 190))
    draw.polygon([(898, 176), (962, 176), (930, 140)], fill=(150, 36, 34))


def lighthouse() -> bytes:
    """The picture as PNG, 1280x720."""
    image = _sky_and_sea()
    _sun(image)
    _lighthouse(image)
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
