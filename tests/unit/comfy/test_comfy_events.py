import json
from pathlib import Path
from typing import Any

import pytest

from shared.comfy.events import Event, FileRef, NodeProgress, Run, outcome_of_history, parse
from shared.comfy.failures import rejection
from shared.errors import CapacityError, FatalError, MivoError, TransientError

HERE = Path(__file__).parent / "captures"
ALL = Path(__file__).parents[4] / "shared" / "comfyui" / "captures"
ID = "8b0ccc96-4f52-401e-bae7-c651d3ebd9d5"
GRAPH = {
    "1": {"class_type": "UNETLoader", "inputs": {}, "_meta": {"title": "Load weights"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "A heron stands in the river at dawn"}},
}


def load(name: str, folder: Path = HERE) -> dict[str, Any]:
    capture: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return capture


def entry_of(capture: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = capture["history"][capture["prompt_id"]]
    return entry


def fold(capture: dict[str, Any]) -> Run:
    run = Run(capture["prompt_id"], entry_of(capture)["prompt"][2])
    for frame in capture["events"]:
        event = parse(b"binary") if frame.get("binary") else parse(json.dumps(frame))
        run = run if event is None else run.after(event)
    return run


def outcome(run: Run) -> tuple[object, ...]:
    return run.state, run.outputs, str(run.error), type(run.error), run.cached


def failure(kind: str, message: str, node: str = "1", node_type: str = "UNETLoader") -> MivoError:
    data = {
        "prompt_id": ID,
        "node_id": node,
        "node_type": node_type,
        "exception_type": kind,
        "exception_message": message,
        "traceback": ["File /secret/path"],
        "current_inputs": {"text": ["A heron stands in the river at dawn"]},
    }
    error = Run(ID, GRAPH).after(Event("execution_error", ID, data)).error
    assert error is not None
    return error


def with_history(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    captures = sorted(folder.glob("*.json"))
    return [c.stem for c in captures if '"history"' in c.read_text() and "events" in json.loads(c.read_text())]


@pytest.mark.parametrize("name", with_history(HERE))
def test_events_and_history_tell_the_same_end(name: str) -> None:
    capture = load(name)
    assert outcome(fold(capture)) == outcome(outcome_of_history(entry_of(capture)))


def test_every_recorded_run_folds_to_what_its_history_says() -> None:
    names = with_history(ALL)
    if not names:
        pytest.skip("../shared/comfyui/captures is not here; the committed captures were folded")
    for name in names:
        capture = load(name, ALL)
        assert outcome(fold(capture)) == outcome(outcome_of_history(entry_of(capture))), name


def test_a_success_names_its_files_by_title() -> None:
    run = fold(load("ws_success_cheap"))
    assert run.state == "succeeded"
    assert run.files("Save") == (FileRef("ok_00002_.png", "cap", "output"),)
    with pytest.raises(FatalError, match="bad_output: node 'Blank' reported no file"):
        run.files("Blank")


def test_everything_cached_is_a_success_with_the_old_files() -> None:
    run = fold(load("ws_same_prompt_again_cached"))
    assert (run.state, run.closed, run.cached) == ("succeeded", True, frozenset({"1", "2"}))
    assert run.files("Save") == (FileRef("ok_00002_.png", "cap", "output"),)


def test_an_error_keeps_the_outputs_that_were_finished() -> None:
    run = fold(load("partial_outputs_on_error"))
    assert run.state == "failed"
    assert run.outputs


@pytest.mark.parametrize(
    "name",
    ["ws_error_torch_oom", "ws_error_accelerator_oom_text", "ws_error_memory_error", "ws_oom_cpu"],
)
def test_out_of_memory_is_a_matter_of_capacity(name: str) -> None:
    error = fold(load(name)).error
    assert isinstance(error, CapacityError)
    assert error.code == "out_of_memory"
    assert len(error.message) < 400


def test_a_failed_node_is_internal_and_named() -> None:
    error = fold(load("ws_execution_error")).error
    assert isinstance(error, FatalError)
    assert error.code == "internal"
    assert error.detail["class_type"] == "LoadLatent"
    assert "header too large" in error.message


@pytest.mark.parametrize("name", ["ws_interrupted_by_prompt_id", "ws_interrupt_during_silent_node"])
def test_an_interrupt_by_somebody_else_may_be_tried_again(name: str) -> None:
    run = fold(load(name))
    assert run.state == "interrupted"
    assert isinstance(run.error, TransientError)


def test_missing_or_damaged_weights_are_model_missing_only_in_a_loader() -> None:
    assert failure("FileNotFoundError", "Model 'x' not found").code == "model_missing"
    assert failure("safetensors._safetensors_rust.SafetensorError", "header too large").code == "model_missing"
    assert failure("FileNotFoundError", "no such file", "2", "LoadImage").code == "internal"


def test_a_broken_gpu_needs_another_process() -> None:
    error = failure("torch.AcceleratorError", "CUDA error: an illegal memory access was encountered")
    assert (error.code, error.retryable) == ("comfy_crashed", True)


def test_no_prompt_no_query_and_no_traceback_leave_with_an_error() -> None:
    message = "cannot encode 'A heron stands in the ri...' from https://bucket/x?X-Amz-Signature=abc\nline two"
    body = failure("ValueError", message, "2", "CLIPTextEncode").body().model_dump_json()
    quoted = failure("ValueError", "bad https://bucket/x?X-Amz-Signature=abc here\nline two").body().model_dump_json()
    for said in (body, quoted):
        assert not any(secret in said for secret in ("heron", "Signature", "/secret", "line two"))
    assert "[text]" in body


def test_events_of_other_runs_change_nothing() -> None:
    run = Run(ID, GRAPH)
    other = {"prompt_id": "another", "node": "1", "value": 1, "max": 2}
    for kind in ("execution_start", "execution_success", "execution_error", "progress"):
        assert run.after(Event(kind, "another", other)) is run
    greeting = parse('{"type": "executing", "data": {"node": "1"}}')  # what a reconnected socket hears first
    assert greeting is not None
    assert run.after(greeting) is run


def test_nothing_follows_the_end_but_the_closing() -> None:
    run = Run(ID, GRAPH).after(Event("execution_success", ID, {}))
    assert run.after(Event("execution_interrupted", ID, {})) is run
    assert run.after(Event("executing", ID, {"node": None})).closed


def test_progress_after_a_reconnect_names_the_node() -> None:
    run = Run(ID, GRAPH).after(Event("progress", ID, {"node": "1", "value": 3, "max": 8}))
    assert (run.node, run.title, run.nodes["1"]) == ("1", "Load weights", NodeProgress(3.0, 8.0))


def test_a_counter_that_starts_again_is_another_round() -> None:
    assert fold(load("run_i2_detailer_on_latents")).nodes["12"].rounds == 1


def test_a_frame_that_is_no_message_is_refused() -> None:
    assert parse(b"\x00\x00\x00\x01") is None
    for frame in ("not json", "[]", '{"data": {}}'):
        with pytest.raises(ValueError):  # noqa: PT011  json's own message in one case
            parse(frame)


def test_a_failed_history_without_a_reason_is_internal() -> None:
    run = outcome_of_history({"prompt": [1, ID, GRAPH], "outputs": {}, "status": None})
    assert run.state == "failed"
    assert run.error is not None
    assert run.error.code == "internal"


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("post_bad_enum_checkpoint", "model_missing", ["nope.safetensors", "4 legal values", "dev-fp8"]),
        ("pit_missing_lora", "model_missing", ["lora_name", "nope.safetensors"]),
        ("post_bad_sampler_res_2s", "graph_rejected", ["KSamplerSelect", "res_2s", "list of length 44"]),
        ("post_one_bad_output_of_two", "graph_rejected", ["'SaveImage'", "KeyError", "99"]),
        ("post_dangling_link", "graph_rejected", ["'Save' (SaveImage)", "99"]),
        ("post_bad_output_slot", "graph_rejected", ["IndexError"]),
        ("post_unknown_node_type", "graph_rejected", ["'Blank' (NoSuchNode)", "not found"]),
        ("post_no_output_node", "graph_rejected", ["no outputs"]),
        ("post_missing_input", "graph_rejected", ["'Blank' (EmptyImage)", "width"]),
        ("post_value_bigger_than_max", "graph_rejected", ["16384", "width"]),
        ("post_link_type_mismatch", "graph_rejected", ["IMAGE", "LATENT"]),
        ("post_bad_type_int", "graph_rejected", ["width", "abc"]),
        ("post_bad_json", "comfy_unreachable", ["500"]),
    ],
)
def test_a_refusal_says_what_was_wrong(name: str, code: str, words: list[str]) -> None:
    capture = load(name)
    status, body = capture.get("status", capture.get("post_status")), capture.get("body", capture.get("post_body"))
    graph = capture.get("request", {}).get("prompt", {})
    assert isinstance(status, int)
    error = rejection(status, body, graph)
    assert error.code == code
    assert not [word for word in words if word not in error.message], error.message
    assert len(error.body().model_dump_json()) < 1_800


def test_a_refusal_never_repeats_a_text_input() -> None:
    info = {"input_name": "text", "received_value": "A heron stands", "input_config": ["STRING", {}]}
    wrong = {"type": "invalid_input_type", "message": "bad", "details": "text, A heron stands", "extra_info": info}
    body = {"error": {}, "node_errors": {"2": {"class_type": "CLIPTextEncode", "errors": [wrong]}}}
    assert "heron" not in rejection(400, body, GRAPH).body().model_dump_json()
