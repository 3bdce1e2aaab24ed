"""A RunPod-compatible gateway for one machine: the endpoint API for clients, the worker API for the SDK loop.

The unmodified `runpod.serverless.start` loop, `runpod.Endpoint` and any HTTP client work over plain http. Facts
behind it: facts/runpod.md, sections A (client API), B (wire protocol of the worker) and D (a proved prototype).
Jobs live in Postgres, so a restart of the gateway loses none of them.
"""
