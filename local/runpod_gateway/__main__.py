"""`python -m local.runpod_gateway`: serve until SIGTERM or SIGINT. Settings come from GATEWAY_* variables."""

from local.runpod_gateway.app import Server
from local.runpod_gateway.settings import Settings

if __name__ == "__main__":
    Server(Settings()).run()
