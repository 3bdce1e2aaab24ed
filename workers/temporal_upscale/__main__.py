"""`python -m workers.temporal_upscale graph`, and the gallery."""

from shared.graph_cli import Examples, main
from workers.temporal_upscale.stage import STAGE

EXAMPLES: Examples = {"smooth": ()}
"""One: sizes and lengths come with the latents, so all of this stage's graphs are the same."""

if __name__ == "__main__":
    raise SystemExit(main(STAGE, EXAMPLES))
