# What every image stands on. Built by docker-bake.hcl, which hands these stages to the other files by name.
# The digest is that of the multi-arch index of python:3.11-slim-bookworm (3.11.16) as public sources recorded it in
# September 2026; no registry could be reached where this was written. A wrong one fails the build, loudly.
FROM python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS python
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Debian's own versions: it takes old ones away, so a pinned one would not build for long. ffmpeg gets security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --shell /usr/sbin/nologin mivo
WORKDIR /app
ENTRYPOINT ["tini", "--"]

# Wheels with hashes into an environment of its own; uv itself comes from a hashed lock too.
FROM python AS uv
COPY requirements/bootstrap.lock /locks/bootstrap.lock
RUN python -m pip install --require-hashes --no-deps -r /locks/bootstrap.lock

FROM uv AS orchestrator-venv
COPY requirements/orchestrator.lock /locks/orchestrator.lock
RUN python -m venv --without-pip /opt/venv \
 && uv pip sync --no-cache --require-hashes --python /opt/venv/bin/python /locks/orchestrator.lock

FROM uv AS worker-venv
COPY requirements/worker.lock /locks/worker.lock
RUN python -m venv --without-pip /opt/venv \
 && uv pip sync --no-cache --require-hashes --python /opt/venv/bin/python /locks/worker.lock

# ComfyUI has an environment of its own, so that its wants and ours cannot meet. CUDA comes with torch's wheels.
FROM uv AS comfyui-venv
COPY dockerfiles/comfyui.lock /locks/comfyui.lock
RUN python -m venv --without-pip /opt/comfyui-venv \
 && uv pip sync --no-cache --require-hashes --python /opt/comfyui-venv/bin/python /locks/comfyui.lock

# Plain git at a commit: what is fetched is what its hash says.
FROM python AS comfyui-code
ARG COMFYUI_REPOSITORY=https://github.com/Comfy-Org/ComfyUI.git
ARG COMFYUI_COMMIT=0a92ed161e6fa18eb169d96d64b4c279cf280dc5
ARG LTXVIDEO_REPOSITORY=https://github.com/Lightricks/ComfyUI-LTXVideo.git
ARG LTXVIDEO_COMMIT=aceeae9635f6d493f2893ba3c411a1c36031788a
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git \
 && rm -rf /var/lib/apt/lists/*
RUN git init -q /opt/comfyui \
 && git -C /opt/comfyui fetch -q --depth 1 "$COMFYUI_REPOSITORY" "$COMFYUI_COMMIT" \
 && git -C /opt/comfyui checkout -q "$COMFYUI_COMMIT" \
 && rm -rf /opt/comfyui/.git
RUN git init -q /opt/ltxvideo \
 && git -C /opt/ltxvideo fetch -q --depth 1 "$LTXVIDEO_REPOSITORY" "$LTXVIDEO_COMMIT" \
 && git -C /opt/ltxvideo checkout -q "$LTXVIDEO_COMMIT" \
 && rm -rf /opt/ltxvideo/.git

# A worker without its stage. Code belongs to root; only ComfyUI's own folders can be written.
FROM python AS worker
COPY --from=comfyui-venv /opt/comfyui-venv /opt/comfyui-venv
COPY --from=comfyui-code /opt/comfyui /opt/comfyui
COPY --from=comfyui-code /opt/ltxvideo /comfyui/custom_nodes/ComfyUI-LTXVideo
COPY --from=worker-venv /opt/venv /opt/venv
RUN mkdir -p /comfyui/models /comfyui/input /comfyui/output /comfyui/temp /comfyui/user \
 && chown mivo:mivo /comfyui /comfyui/models /comfyui/input /comfyui/output /comfyui/temp /comfyui/user
ENV PATH=/opt/venv/bin:$PATH \
    COMFYUI_DIR=/opt/comfyui \
    COMFYUI_PYTHON=/opt/comfyui-venv/bin/python \
    COMFYUI_BASE_DIR=/comfyui \
    WORKER_WARM_UP_SECONDS=240 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001
# Weights may come before ComfyUI does; until it has been started, nothing is wrong.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "models.health"]
