# LTX-2 spatial upscaling. Stages: `volume` brings its weights when it starts; `baked` carries those that fit into layers.
# `worker` is a stage of base.Dockerfile, handed over by docker-bake.hcl.
FROM worker AS volume
LABEL org.opencontainers.image.title="mivo-ltx2-spatial_upscale" \
      org.opencontainers.image.description="LTX-2 spatial upscaling: a RunPod worker on ComfyUI" \
      org.opencontainers.image.licenses="LTX-2 Community License Agreement (weights), GPL-3.0 (ComfyUI)"
ARG QUALITIES=fast,pro
ARG PRECISIONS=fp8
ARG OPTIONS=camera,control,detailer
ENV WORKER_QUALITIES=$QUALITIES WORKER_PRECISIONS=$PRECISIONS WORKER_OPTIONS=$OPTIONS
COPY shared /app/shared
COPY models /app/models
COPY workers/__init__.py /app/workers/__init__.py
COPY workers/comfy_nodes /app/workers/comfy_nodes
COPY workers/spatial_upscale /app/workers/spatial_upscale
CMD ["python", "-m", "models.start", "spatial_upscale"]

# Each layer holds whole files, at most LAYER_BYTES of them; what is larger comes at start. A layer that nothing is
# left for is empty. The token of a gated repository is mounted for the command and stays in no layer.
FROM volume AS baked
ARG LAYER_BYTES=9500000000
RUN --mount=type=secret,id=hf_token,uid=10001,env=HF_TOKEN \
    python -m models fetch --stage spatial_upscale --target /comfyui/models --layer 1 --layer-bytes "$LAYER_BYTES"
RUN --mount=type=secret,id=hf_token,uid=10001,env=HF_TOKEN \
    python -m models fetch --stage spatial_upscale --target /comfyui/models --layer 2 --layer-bytes "$LAYER_BYTES"
RUN --mount=type=secret,id=hf_token,uid=10001,env=HF_TOKEN \
    python -m models fetch --stage spatial_upscale --target /comfyui/models --layer 3 --layer-bytes "$LAYER_BYTES"
RUN --mount=type=secret,id=hf_token,uid=10001,env=HF_TOKEN \
    python -m models fetch --stage spatial_upscale --target /comfyui/models --layer 4 --layer-bytes "$LAYER_BYTES"
