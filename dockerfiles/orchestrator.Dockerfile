# The orchestrator. `python` and `orchestrator-venv` are stages of base.Dockerfile, handed over by docker-bake.hcl.
FROM orchestrator-venv AS venv

FROM python AS orchestrator
LABEL org.opencontainers.image.title="mivo-ltx2-orchestrator" \
      org.opencontainers.image.description="Chains the LTX-2 stages by the user's toggles; called by the Mivo backend" \
      org.opencontainers.image.licenses="proprietary"
COPY --from=venv /opt/venv /opt/venv
COPY shared /app/shared
COPY orchestrator /app/orchestrator
ENV PATH=/opt/venv/bin:$PATH HOST=0.0.0.0 PORT=8080
EXPOSE 8080
USER 10001:10001
# Alive, not ready: a database that is away is no reason to restart this process.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, httpx; httpx.get(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4).raise_for_status()"]
CMD ["python", "-m", "orchestrator", "serve"]
