"""The users of a load, by Locust: `python -m tests.load.users CONFIG`, always in a process of its own.

Locust patches sockets and threads of the whole process (gevent) when it is imported, so nothing else imports this.
Each wish of the plan is asked for at its time, followed to its end, and its video fetched; what became of it is a line
of JSON in the file that the config names.
"""

import hashlib
import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, ClassVar

import gevent
from locust import HttpUser, constant, task
from locust.env import Environment
from locust.exception import StopUser

FINAL = {"succeeded", "failed", "canceled"}
ENDS = tuple(f"event: generation.{state}".encode() for state in sorted(FINAL))
LOOK_SECONDS = 1.0
RETRY_SECONDS = 1.0
TRIES = 120
"""Of one request that is refused or not answered."""

Shown = dict[str, Any]


class GaveUpError(Exception):
    """The service did not do in time what a user asked for."""


class Board:
    """The wishes in order of their time, and where their fates are written."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.began = time.time()
        self.waiting = deque(config["wishes"])
        self.left = len(self.waiting)

    def tell(self, told: dict[str, Any]) -> None:
        with Path(self.config["told"]).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(told) + "\n")
        self.left -= 1


class Mivo(HttpUser):
    """One greenlet: takes the next wish, waits for its time, and lives through it."""

    wait_time = constant(0)
    board: ClassVar[Board]

    def on_start(self) -> None:
        self.client.trust_env = False

    @task
    def wish(self) -> None:
        board = self.board
        if not board.waiting:
            raise StopUser
        wish = board.waiting.popleft()
        gevent.sleep(max(0.0, board.began + wish["at"] - time.time()))
        told: dict[str, Any] = {"number": wish["number"], "id": "", "late": time.time() - board.began - wish["at"]}
        try:
            with gevent.Timeout(board.config["seconds"], GaveUpError("not final in time")):
                self._live(wish, told)
        except Exception as error:  # noqa: BLE001  whatever it was, a lost wish is a line too, never a silence
            told["problem"] = f"{type(error).__name__}: {error}"
        board.tell(told)

    def _live(self, wish: dict[str, Any], told: dict[str, Any]) -> None:
        key = {"Authorization": f"Bearer {self.board.config['keys'][wish['owner']]}"}
        body = {**wish["body"], "webhook_url": self.board.config["webhook_url"]}
        asked = time.time()
        once = {**key, "Idempotency-Key": f"load-{wish['number']}"}
        made = self._ask("POST", "/api/generations", name="create", told=told, headers=once, json=body)
        told |= {"id": made["id"], "asked_at": asked, "taken_at": time.time()}
        path = f"/api/generations/{made['id']}"
        if wish["cancel"]:
            self._ask("DELETE", path, name="cancel", told=told, headers=key, good={200, 409})
        if wish["follow"] == "events":
            self._hear(path, key)
        shown = self._ask("GET", path, name="get", told=told, headers=key)
        while shown["state"] not in FINAL:
            gevent.sleep(LOOK_SECONDS)
            shown = self._ask("GET", path, name="get", told=told, headers=key)
        told |= {"state": shown["state"], "ended_at": time.time()}
        if shown["state"] == "succeeded":
            self._fetch(shown["result"], told)

    def _hear(self, path: str, key: dict[str, str]) -> None:
        """The events until the server has told them all; whatever is missed, the look at the end shows."""
        with self.client.get(
            f"{path}/events", name="events", headers=key, stream=True, timeout=60, catch_response=True
        ) as answer:
            for line in answer.iter_lines():
                if line.startswith(ENDS):
                    break
            answer.success()

    def _fetch(self, result: Shown, told: dict[str, Any]) -> None:
        answer = self.client.get(result["video_url"], name="video", timeout=60)
        told["bytes"] = len(answer.content)
        told["intact"] = hashlib.sha256(answer.content).hexdigest() == result["sha256"]
        told["fetched_at"] = time.time()

    def _ask(
        self, method: str, path: str, *, name: str, told: dict[str, Any], good: set[int] | None = None, **options: Any
    ) -> Shown:
        """The first useful answer; others are asked again, as long as the service says that it may work."""
        said = "nothing"
        for _ in range(TRIES):
            with self.client.request(method, path, name=name, timeout=30, catch_response=True, **options) as answer:
                if answer.status_code in (good or {200, 201}):
                    answer.success()
                    return dict(answer.json())
                said = f"{answer.status_code} {answer.text[:200] if answer.text else ''}"
                if answer.status_code == 429:
                    answer.success()  # a limit that holds is no fault
                    told["limited"] = told.get("limited", 0) + 1
                if 400 <= answer.status_code < 500 and answer.status_code != 429:
                    raise GaveUpError(f"{method} {path}: {said}")
                pause = float(answer.headers.get("Retry-After", RETRY_SECONDS)) if answer.headers else RETRY_SECONDS
            gevent.sleep(min(pause, 10.0))
        raise GaveUpError(f"{method} {path}: {said}")


def main(path: Path) -> int:
    config = json.loads(path.read_text(encoding="utf-8"))
    Mivo.board = board = Board(config)
    Mivo.host = config["api"]
    environment = Environment(user_classes=[Mivo], host=config["api"])
    runner = environment.create_local_runner()
    runner.start(user_count=config["users"], spawn_rate=config["users"])
    end = time.time() + config["wishes"][-1]["at"] + config["seconds"] + 30
    while board.left and time.time() < end:
        gevent.sleep(0.2)
    runner.quit()
    stats = [
        {
            "name": entry.name,
            "requests": entry.num_requests,
            "failures": entry.num_failures,
            **{f"p{share * 100:.0f}_ms": entry.get_response_time_percentile(share) for share in (0.5, 0.95, 0.99)},
        }
        for entry in environment.stats.entries.values()
    ]
    Path(config["stats"]).write_text(json.dumps(stats), encoding="utf-8")
    return 0  # a wish without a fate is for the checks to say


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
