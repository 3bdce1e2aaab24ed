"""Whatever RunPod hands to a worker, parsing it gives work to do or a typed error that repeats nothing of it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from shared.artifacts import ArtifactStore, S3Settings
from shared.contracts.artifact import manifest_key
from shared.contracts.stage import INPUT_OF, FromUpstream, StageInput
from shared.contracts.vocabulary import Stage
from shared.errors import FatalError, MivoError, UpstreamError, UserError, from_wire, to_wire
from shared.worker.parse import parse

SECRET = "a lighthouse that nobody may read of"  # pragma: allowlist secret
FIELDS = sorted({*FromUpstream.model_fields, *(name for kind in INPUT_OF.values() for name in kind.model_fields)})
DIGEST = "0" * 64
ARTIFACT = {"key": "inputs/x", "sha256": DIGEST, "bytes": 1, "media_type": "image/png"}

text = st.text(st.characters(exclude_categories=()), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
plausible = st.sampled_from(
    [
        *(1, 10, 2**53, -1, True, "fast", "pro", "720p", "draft", "video", "latents", "static", SECRET, "0" * 32),
        *(ARTIFACT, {**ARTIFACT, "key": "../x"}, {"type": "depth"}, [], {}),
        *(f"latents/{DIGEST}/a/video_latent.safetensors", "latents/../x/y/z", "videos/a.mp4", "inputs/x"),
        *(manifest_key(stage, DIGEST) for stage in Stage),
        *("manifests/base_gen/", "/etc/passwd", "a" * 301, "a//b", "a\n"),
    ]
)
objects = st.dictionaries(st.sampled_from(FIELDS) | text, plausible | values, max_size=8)
prompted = objects.map(lambda found: {**found, "prompt": SECRET})


@pytest.fixture
def store(s3_settings: S3Settings) -> Any:
    with ArtifactStore(s3_settings) as opened:
        yield opened


def outcome(stage: Stage, raw: object, store: ArtifactStore) -> StageInput | MivoError:
    try:
        return parse(stage, raw, store)
    except MivoError as error:
        return error


@pytest.mark.parametrize("stage", Stage)
@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(raw=values | objects | prompted)
@example(raw={"manifest": "manifests/base_gen/" + "\0"})
@example(raw={"latents": "latents/\ud800/a/b.safetensors"})
@example(raw={"contract_version": float("nan")})
@example(raw={"contract_version": [SECRET] * 1000})
@example(raw={"prompt": SECRET, "contract_version": SECRET})
def test_an_input_is_work_or_a_typed_error(store: ArtifactStore, stage: Stage, raw: object) -> None:
    parsed = outcome(stage, raw, store)
    if isinstance(parsed, StageInput):
        return
    # never one that is tried again in vain
    assert isinstance(parsed, UserError | FatalError | UpstreamError)
    wire = to_wire(parsed, stage=stage)
    assert len(wire.encode()) <= 2000
    assert from_wire(wire).code == parsed.code
    assert SECRET not in wire
