# docker buildx bake -f dockerfiles/docker-bake.hcl [group or target], from the root of the repository.
# REGISTRY=docker.io/you/ TAG=v1 docker buildx bake ... --push     HF_TOKEN=... for gated weights in baked images

variable "REGISTRY" { default = "" }
variable "TAG" { default = "dev" }
variable "REVISION" { default = "unknown" }
# The most that one layer may hold. A registry without such a limit (facts/ltx2.md section 5.5) takes 30000000000,
# and then the checkpoints are baked too.
variable "LAYER_BYTES" { default = "9500000000" }

group "default" { targets = ["orchestrator", "base-gen", "spatial-upscale", "temporal-upscale"] }
group "baked" { targets = ["base-gen-baked", "spatial-upscale-baked", "temporal-upscale-baked"] }

target "common" {
  context   = "."
  platforms = ["linux/amd64"]
  labels = {
    "org.opencontainers.image.revision" = REVISION
    "org.opencontainers.image.version"  = TAG
  }
}

target "python" {
  inherits   = ["common"]
  dockerfile = "dockerfiles/base.Dockerfile"
  target     = "python"
}

target "orchestrator-venv" {
  inherits   = ["common"]
  dockerfile = "dockerfiles/base.Dockerfile"
  target     = "orchestrator-venv"
}

target "worker" {
  inherits   = ["common"]
  dockerfile = "dockerfiles/base.Dockerfile"
  target     = "worker"
}

target "orchestrator" {
  inherits   = ["common"]
  dockerfile = "dockerfiles/orchestrator.Dockerfile"
  target     = "orchestrator"
  contexts   = { python = "target:python", orchestrator-venv = "target:orchestrator-venv" }
  tags       = ["${REGISTRY}mivo-ltx2-orchestrator:${TAG}"]
}

# Weights come at start: from a network volume, RunPod's cached models, or the hub. Which ones, the environment says.
target "base-gen" {
  inherits   = ["common"]
  dockerfile = "dockerfiles/base_gen.Dockerfile"
  target     = "volume"
  contexts   = { worker = "target:worker" }
  tags       = ["${REGISTRY}mivo-ltx2-base-gen:${TAG}"]
}

target "spatial-upscale" {
  inherits   = ["common"]
  dockerfile = "dockerfiles/spatial_upscale.Dockerfile"
  target     = "volume"
  contexts   = { worker = "target:worker" }
  tags       = ["${REGISTRY}mivo-ltx2-spatial-upscale:${TAG}"]
}

target "temporal-upscale" {
  inherits   = ["common"]
  dockerfile = "dockerfiles/temporal_upscale.Dockerfile"
  target     = "volume"
  contexts   = { worker = "target:worker" }
  tags       = ["${REGISTRY}mivo-ltx2-temporal-upscale:${TAG}"]
}

# Weights in layers, for each choice of precision and qualities.
target "base-gen-baked" {
  name     = "base-gen-${precision}-${replace(qualities, ",", "-")}"
  inherits = ["base-gen"]
  matrix   = { precision = ["fp8", "full"], qualities = ["fast", "fast,pro"] }
  target   = "baked"
  args     = { PRECISIONS = precision, QUALITIES = qualities, LAYER_BYTES = LAYER_BYTES }
  secret   = ["id=hf_token,env=HF_TOKEN"]
  tags     = ["${REGISTRY}mivo-ltx2-base-gen:${TAG}-${precision}-${replace(qualities, ",", "-")}"]
}

target "spatial-upscale-baked" {
  name     = "spatial-upscale-${precision}-${replace(qualities, ",", "-")}"
  inherits = ["spatial-upscale"]
  matrix   = { precision = ["fp8", "full"], qualities = ["fast", "fast,pro"] }
  target   = "baked"
  args     = { PRECISIONS = precision, QUALITIES = qualities, LAYER_BYTES = LAYER_BYTES }
  secret   = ["id=hf_token,env=HF_TOKEN"]
  tags     = ["${REGISTRY}mivo-ltx2-spatial-upscale:${TAG}-${precision}-${replace(qualities, ",", "-")}"]
}

# Always small: two VAEs and the upscaler, the same for every precision and quality.
target "temporal-upscale-baked" {
  inherits = ["temporal-upscale"]
  target   = "baked"
  args     = { LAYER_BYTES = LAYER_BYTES }
  tags     = ["${REGISTRY}mivo-ltx2-temporal-upscale:${TAG}-baked"]
}
