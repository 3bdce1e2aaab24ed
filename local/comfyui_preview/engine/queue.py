"""The queue, the history and the one thread that executes prompts, one at a time."""

import heapq
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from local.comfyui_preview.engine.executor import Execution, Outcome, Prompt, Workplace

log = structlog.get_logger("comfyui_preview")

_STOP_SECONDS = 5.0


class PromptQueue:
    """Thread-safe. Events are sent from the executing thread and from callers' threads."""

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._changed = threading.Condition()
        self._pending: list[tuple[float, int, Prompt]] = []
        self._arrivals = 0
        self._running: tuple[Prompt, Execution] | None = None
        self._history: dict[str, dict[str, Any]] = {}
        self._free = self._closing = False
        self._thread = threading.Thread(target=self._work, name="preview-executor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends the executing thread, interrupting what runs; waits for it with a deadline."""
        with self._changed:
            self._closing = True
            self._place.stop.set()
            self._changed.notify_all()
        self._thread.join(_STOP_SECONDS)

    def put(self, prompt: Prompt) -> None:
        with self._changed:
            self._arrivals += 1
            heapq.heappush(self._pending, (prompt.number, self._arrivals, prompt))
            self._changed.notify_all()
        self._tell_status()

    @property
    def remaining(self) -> int:
        with self._changed:
            return len(self._pending) + (self._running is not None)

    def snapshot(self) -> dict[str, Any]:
        with self._changed:
            running = [self._running[0].wire()] if self._running else []
            pending = [entry[2].wire() for entry in sorted(self._pending, key=lambda entry: entry[:2])]
        return {"queue_running": running, "queue_pending": pending}

    def delete(self, unwanted: Callable[[str], bool]) -> bool:
        """Drops pending prompts, without an event or a history of them; whether there was any."""
        with self._changed:
            kept = [entry for entry in self._pending if not unwanted(entry[2].prompt_id)]
            dropped = len(kept) < len(self._pending)
            self._pending = kept
            heapq.heapify(self._pending)
        if dropped:
            self._tell_status()
        return dropped

    def interrupt(self, prompt_id: str | None = None) -> bool:
        """Interrupts what runs, if it is `prompt_id` (None: whatever it is)."""
        with self._changed:
            hit = self._running is not None and prompt_id in {None, self._running[0].prompt_id}
            if hit:
                self._place.stop.set()
            return hit

    def free(self) -> None:
        """Empties the cache as soon as nothing runs."""
        with self._changed:
            self._free = True
            self._changed.notify_all()

    def history(self, prompt_id: str | None = None, max_items: int | None = None) -> dict[str, Any]:
        with self._changed:
            if prompt_id is not None:
                return {prompt_id: self._history[prompt_id]} if prompt_id in self._history else {}
            newest = list(self._history.items())
            return dict(newest[-max_items:] if max_items else newest)

    def forget(self, prompt_ids: list[str] | None) -> None:
        """Deletes entries of the history; None: all."""
        with self._changed:
            for prompt_id in list(self._history) if prompt_ids is None else prompt_ids:
                self._history.pop(prompt_id, None)

    def running_node(self, client_id: str) -> str | None:
        """The node that runs now for this client, to be told when it reconnects."""
        with self._changed:
            mine = self._running is not None and self._running[0].client_id == client_id
            return self._running[1].current if mine and self._running else None

    def _tell_status(self) -> None:
        self._place.send("status", {"status": {"exec_info": {"queue_remaining": self.remaining}}}, None)

    def _next(self) -> tuple[Prompt, Execution] | None:
        with self._changed:
            while not self._closing:
                if self._free:
                    self._place.cache.clear()
                    self._free = False
                if self._pending:
                    prompt = heapq.heappop(self._pending)[2]
                    self._place.stop.clear()
                    self._running = (prompt, Execution(prompt, self._place))
                    return self._running
                self._changed.wait()
            return None

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            prompt, execution = taken
            began = time.monotonic()
            log.info("preview: a prompt begins", prompt_id=prompt.prompt_id)
            self._tell_status()
            outcome = execution.run()
            self._place.stop.wait(self._place.settings.history_lag)  # the gap that a real server has, too
            log.info(
                "preview: a prompt ended",
                prompt_id=prompt.prompt_id,
                completed=outcome.completed,
                slept=round(execution.slept, 4),
                took=round(time.monotonic() - began, 4),
            )
            self._finish(prompt, outcome)

    def _finish(self, prompt: Prompt, outcome: Outcome) -> None:
        with self._changed:
            self._history.pop(prompt.prompt_id, None)
            self._history[prompt.prompt_id] = outcome.wire(prompt)
            self._running = None
        self._tell_status()
        if prompt.client_id is not None:
            self._place.send("executing", {"node": None, "prompt_id": prompt.prompt_id}, prompt.client_id)
