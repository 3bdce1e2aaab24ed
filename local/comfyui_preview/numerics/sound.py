"""A stand-in for the audio VAE and vocoder: audio latents hold the loudness of sixteen notes, left and right.

Shapes of facts/ltx2.md section 1.4: latents [8, L, 16] at 25 per second, decoded to 4L-3 mel frames of 10 ms, that is
(4L-3) x 240 samples at 24,000 Hz, stereo.
"""

import hashlib
import math

import numpy as np

from local.comfyui_preview.numerics.arrays import F32

CHANNELS, BINS, PER_SECOND = 8, 16, 25
RATE = 24_000
SAMPLES_PER_MEL = RATE // 100
_PENTATONIC = (0, 2, 4, 7, 9)
_NOTES = np.array([110 * 2 ** ((12 * (i // 5) + _PENTATONIC[i % 5]) / 12) for i in range(BINS)], np.float32)
_STRIKE = 15  # latents between two notes: 0.6 s
_GAIN = 4.0
_FLOOR = np.float32(0.08)  # the lowest note always sounds, so that no clip is silent


def length_of(frames: int, frame_rate: float) -> int:
    """Latents for `frames` at `frame_rate`, rounded up as ComfyUI does (facts/ltx2.md section 1.4)."""
    return math.ceil(frames / frame_rate * PER_SECOND)


def compose(length: int, digest: bytes, seed: int, *, again: bool = False) -> F32:
    """The latent [8, L, 16] of a slow arpeggio over a chord that prompt and seed choose; `again` it is another one."""
    purpose = b"another sound" if again else b"sound"
    random = np.random.default_rng(list(hashlib.sha256(purpose + digest + seed.to_bytes(8, "big")).digest()))
    chord = random.choice(BINS, size=5, replace=False)
    loud = np.zeros((2, length, BINS), np.float32)
    since = np.arange(length, dtype=np.float32)
    loud[:, :, np.sort(chord)[:3]] += 0.12  # a pad of the three lowest
    for start in range(0, length, _STRIKE):
        note, pan = random.choice(chord), random.uniform(0.25, 0.75)
        decay = np.exp(-(since[: length - start]) / 18) * np.minimum(1, since[: length - start] / 2 + 0.1)
        loud[0, start:, note] += np.float32(1 - pan) * decay
        loud[1, start:, note] += np.float32(pan) * decay
    latent = np.repeat(loud, CHANNELS // 2, axis=0) * _GAIN - 1
    return (latent + 0.05 * random.standard_normal(latent.shape)).astype(np.float32)


def decode(latent: F32) -> F32:
    """The waveform [2, (4L-3) x 240] in -1..1 of a latent [8, L, 16]."""
    length = latent.shape[1]
    count = (4 * length - 3) * SAMPLES_PER_MEL
    loud = np.clip((latent.reshape(2, CHANNELS // 2, length, BINS).mean(axis=1) + 1) / _GAIN, 0, 1.5)
    loud[:, :, 0] = np.maximum(loud[:, :, 0], _FLOOR)
    moments = np.arange(count, dtype=np.float64)
    places = np.linspace(0, count - 1, length)
    wave = np.zeros((2, count), np.float32)
    for note in range(BINS):
        tone = np.sin(2 * np.pi * float(_NOTES[note]) / RATE * moments).astype(np.float32)
        for side in range(2):
            wave[side] += tone * np.interp(moments, places, loud[side, :, note]).astype(np.float32)
    return np.tanh(wave * np.float32(0.25)).astype(np.float32)
