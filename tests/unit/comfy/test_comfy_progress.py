from shared.comfy.events import Event, Run
from shared.comfy.progress import ProgressMeter, weight_of

ID = "8b0ccc96-4f52-401e-bae7-c651d3ebd9d5"
GRAPH = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {}, "_meta": {"title": "Load"}},
    "2": {"class_type": "SamplerCustomAdvanced", "inputs": {}, "_meta": {"title": "Sample"}},
    "3": {"class_type": "VAEDecodeTiled", "inputs": {}, "_meta": {"title": "Decode"}},
}


def test_sampling_dominates_and_plumbing_hardly_counts() -> None:
    weights = {name: weight_of(name) for name in ("SamplerCustomAdvanced", "LTXVLoopingSampler")}
    assert set(weights.values()) == {20.0}
    assert weight_of("VAEDecodeTiled") < 20.0
    assert weight_of("LTXVLatentUpsampler") < weight_of("VAEDecodeTiled")
    assert weight_of("KSamplerSelect") < weight_of("SaveLatent") < weight_of("LTXVLatentUpsampler")


def test_a_run_goes_from_nothing_to_one_and_never_back() -> None:
    meter, run = ProgressMeter(GRAPH), Run(ID, GRAPH)
    seen = [meter.read(run).fraction]
    events = [
        Event("execution_cached", ID, {"nodes": ["1"]}),
        Event("executing", ID, {"node": "2"}),
        *(Event("progress", ID, {"node": "2", "value": step, "max": 4}) for step in (1, 2, 3, 4)),
        Event("progress", ID, {"node": "2", "value": 1, "max": 4}),  # a second tile that nobody announced
        Event("executing", ID, {"node": "3"}),
    ]
    for event in events:
        run = run.after(event)
        seen.append(meter.read(run).fraction)
    assert seen == sorted(seen)
    assert seen[0] == 0.0
    assert 0.7 < seen[-1] < 1.0
    assert meter.read(run.after(Event("execution_success", ID, {}))).fraction == 1.0


def test_announced_rounds_share_the_weight() -> None:
    meter, run = ProgressMeter(GRAPH, weights={"Load": 0, "Decode": 0}, rounds={"Sample": 2}), Run(ID, GRAPH)
    half = run.after(Event("progress", ID, {"node": "2", "value": 3, "max": 3}))
    assert meter.read(half).fraction == 0.5
    more = half.after(Event("progress", ID, {"node": "2", "value": 1, "max": 2}))
    assert meter.read(more).fraction == 0.75


def test_progress_names_the_node_and_its_steps() -> None:
    run = Run(ID, GRAPH).after(Event("progress", ID, {"node": "2", "value": 3, "max": 8}))
    now = ProgressMeter(GRAPH).read(run)
    assert (now.title, now.value, now.maximum) == ("Sample", 3.0, 8.0)
