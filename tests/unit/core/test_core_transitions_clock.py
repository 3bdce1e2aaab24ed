"""The same rows among tasks, RunPod, S3, webhooks and a clock: whatever comes in which order, it ends in time.

`transitions` decides; the rim around it (tasks, poller, callbacks) is modelled as it is written: a webhook is only a
hint that makes a run due, a poll tells the truth, a manifest that stands counts whoever wrote it, and the poller of
some replica lives and looks at each run at its deadline at the latest.
"""

from collections import Counter
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestrator.advance import DEADLINE_GRACE_SECONDS, PENDING_SECONDS
from orchestrator.transitions import JITTER, RETRIES, CancelAsked, Event, Finished, RunState, Started, Submitted
from shared.contracts.vocabulary import Stage
from shared.durations import QUEUE_SECONDS
from tests.unit.core.world import MOST_RUNS, ORDERS, Row, World, failure, manifest

RUN_SECONDS = 400
SUBMIT_TRIES = 3
POLL_SECONDS = 15
LONGEST_WAIT = 60 * (1 + JITTER)
RUN_LIMIT = LONGEST_WAIT + PENDING_SECONDS + QUEUE_SECONDS + RUN_SECONDS + DEADLINE_GRACE_SECONDS
WORKER_CODES = ["comfy_crashed", "out_of_memory", "artifact_missing", "artifact_corrupt", "bad_output"]
LIVE_JOBS = ("IN_QUEUE", "IN_PROGRESS")


@dataclass
class Job:
    """At RunPod. FORGOTTEN is a 404."""

    id: str
    row: Row
    status: str = "IN_QUEUE"
    code: str = ""


class Cloud(RuleBasedStateMachine):
    @initialize(order=st.sampled_from(ORDERS), outdated=st.booleans())
    def create(self, order: tuple[Stage, ...], outdated: bool) -> None:
        self.world = World(order, outdated=outdated)
        self.now = 0.0
        self.jobs: list[Job] = []
        self.manifests: dict[Stage, int] = {}  # -> the row that made it
        self.adopted: dict[int, int] = {}  # row -> the row whose manifest it ended with
        self.replies: list[Job] = []  # of /run, under way to us
        self.stops = 0  # cancel tasks that have been run
        self.begun: dict[int, float] = {}
        self.deadlines: dict[int, float] = {}
        self.due: dict[int, float] = {}
        self.submits: Counter[int] = Counter()  # row -> tries left of its task
        self._notice_rows()

    def _notice_rows(self) -> None:
        for row in self.world.rows[len(self.begun) :]:
            self.begun[row.number] = self.now
            self.deadlines[row.number] = self.due[row.number] = self.now + LONGEST_WAIT + PENDING_SECONDS
            self.submits[row.number] = SUBMIT_TRIES

    def happens(self, row: Row, event: Event) -> None:
        """As `advance.on_run` does it."""
        was = row.state
        self.world.happens(row, event)
        if row.state is not was:
            if row.state is RunState.SUBMITTED:
                self.deadlines[row.number] = self.now + QUEUE_SECONDS
                self.due[row.number] = self.now + POLL_SECONDS
            if row.state is RunState.RUNNING:
                self.deadlines[row.number] = self.now + RUN_SECONDS + DEADLINE_GRACE_SECONDS
            if row.state is RunState.SUCCEEDED:
                self.adopted[row.number] = self.manifests[row.stage]
            if row.state.final:
                assert self.now - self.begun[row.number] <= RUN_LIMIT, "a run ends in time"
        self._notice_rows()

    # tasks; each may run again, or never

    @rule(reply=st.sampled_from(["in time", "in time", "late", "lost", "busy"]), back=st.sampled_from([0, 0, 0, 1]))
    def submit(self, reply: str, back: int) -> None:
        row = self.world.rows[max(0, len(self.world.rows) - 1 - back)]
        if not self.submits[row.number] or row.state is not RunState.PENDING:
            return
        self.submits[row.number] -= 1
        if row.repair:
            made = [self.adopted[each.number] for each in self._done_before(row)]
            if made and self.manifests.get(row.stage) == made[-1]:
                del self.manifests[row.stage]
        if row.stage in self.manifests:
            self.happens(row, Finished(manifest(row.stage)))
            return
        if reply != "busy":
            job = Job(f"job-{len(self.jobs)}", row)
            self.jobs.append(job)
            self.replies += [job] * (reply == "late")
            if reply == "in time":
                self.happens(row, Submitted(job.id))
        if not self.submits[row.number] and row.state is RunState.PENDING and reply in {"busy", "lost"}:
            self.happens(row, failure("runpod_unavailable"))

    def _done_before(self, row: Row) -> list[Row]:
        rows = self.world.rows[: row.number]
        return [each for each in rows if each.stage is row.stage and each.state is RunState.SUCCEEDED]

    @rule(pick=st.integers(0, 9))
    def a_late_reply_arrives(self, pick: int) -> None:
        if self.replies:
            job = self.replies.pop(pick % len(self.replies))
            self.happens(job.row, Submitted(job.id))

    @rule()
    def stop_at_runpod(self) -> None:
        for job_id in self.world.stopped[self.stops :]:
            job = next(job for job in self.jobs if job.id == job_id)
            if job.status in LIVE_JOBS:
                job.status = "CANCELLED"
        self.stops = len(self.world.stopped)

    # RunPod and its workers

    @rule(
        pick=st.integers(0, 9),
        act=st.sampled_from(
            ["take", "take", "finish", "finish", "drop", "fail", "lose", "give up", "time out", "forget", "stop"]
        ),
        code=st.sampled_from(WORKER_CODES),
    )
    def runpod_does(self, pick: int, act: str, code: str) -> None:
        if not self.jobs:
            return
        job = self.jobs[-1 - pick % len(self.jobs)]
        match job.status, act:
            case "IN_QUEUE", "take":
                job.status = "IN_PROGRESS"
            case "IN_PROGRESS", "finish" | "drop":  # drop: the result never reaches RunPod
                self.manifests.setdefault(job.row.stage, job.row.number)
                job.status = "COMPLETED" if act == "finish" else "IN_QUEUE"
            case "IN_PROGRESS", "fail":
                job.status, job.code = "FAILED", code
            case "IN_PROGRESS", "lose":
                job.status = "IN_QUEUE"
            case "IN_PROGRESS" | "IN_QUEUE", "give up":
                job.status, job.code = "FAILED", "worker_lost"
            case "IN_PROGRESS" | "IN_QUEUE", "time out":
                job.status = "TIMED_OUT"
            case "IN_PROGRESS" | "IN_QUEUE", "stop":
                job.status = "CANCELLED"  # by hand, in RunPod's console
            case _, "forget":
                job.status = "FORGOTTEN"

    @rule(codes=st.lists(st.sampled_from(["", "", "", *WORKER_CODES]), min_size=1, max_size=6))
    def whole_runs(self, codes: list[str]) -> None:
        """Without trouble on the way ("" is a success), so that later stages and their repairs are reached often."""
        for code in codes:
            row = self.world.newest
            self.submit("in time", 0)
            if row.state is RunState.SUBMITTED and self.jobs and self.jobs[-1].row is row:
                self.runpod_does(0, "take", "")
                self.runpod_does(0, "fail" if code else "finish", code)
                self.due[row.number] = self.now
                self.poll(silent=False)

    # what reaches us

    @rule(forged=st.booleans(), pick=st.integers(0, 9), times=st.integers(1, 3))
    def a_webhook(self, forged: bool, pick: int, times: int) -> None:
        """Early, late, repeated, with any body; with a wrong token it is not even a hint."""
        row = self.world.rows[pick % len(self.world.rows)]
        before = repr(self.world)
        for _ in range(times):
            if not forged and not row.state.final:
                self.due[row.number] = self.now
        assert repr(self.world) == before, "a webhook changes nothing by itself"

    @rule(silent=st.booleans())
    def poll(self, silent: bool) -> None:
        row = self.world.newest
        if not row.state.final and self.due[row.number] <= self.now:
            self._look(row, silent=silent)

    def _look(self, row: Row, *, silent: bool) -> None:
        """As `poller.look`; silent: neither RunPod nor S3 answers."""
        self.due[row.number] = self.now + POLL_SECONDS
        event = None if silent or row.runpod_id is None else self._meaning(row)
        if event is None and self.deadlines[row.number] <= self.now:
            event = self._ended_by_us(row, silent=silent)
        if event is not None:
            self.happens(row, event)

    def _ended_by_us(self, row: Row, *, silent: bool) -> Event:
        if row.state is RunState.PENDING:
            return failure("runpod_unavailable")
        if silent:
            return failure("storage_unavailable", RunState.TIMED_OUT)
        code = "execution_timeout" if row.state is RunState.RUNNING else "runpod_unavailable"
        return self._finished(row) or failure(code, RunState.TIMED_OUT)

    def _finished(self, row: Row) -> Event | None:
        return Finished(manifest(row.stage)) if row.stage in self.manifests else None

    def _meaning(self, row: Row) -> Event | None:
        job = next(job for job in self.jobs if job.id == row.runpod_id)
        match job.status:
            case "IN_QUEUE":
                return None
            case "IN_PROGRESS":
                return Started() if row.state is RunState.SUBMITTED else None
            case "COMPLETED":
                return self._finished(row) or failure("bad_output")
            case "FAILED":
                return self._finished(row) or failure(job.code)
            case "TIMED_OUT":
                return self._finished(row) or failure("execution_timeout", RunState.TIMED_OUT)
        return self._finished(row) or failure("worker_lost", RunState.LOST)

    @rule(sure=st.integers(0, 7))
    def the_user_cancels(self, sure: int) -> None:
        if sure == 0:
            self.happens(self.world.newest, CancelAsked())

    # time

    @rule(seconds=st.sampled_from([1, POLL_SECONDS, 300, 900, 4000]), silent=st.booleans())
    def time_passes(self, seconds: float, silent: bool) -> None:
        until = self.now + seconds
        while not self.world.state.final and self.deadlines[self.world.newest.number] <= until:
            self.now = max(self.now, self.deadlines[self.world.newest.number])
            self._look(self.world.newest, silent=silent)
        self.now = until

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            self.world.check()
            newest = self.world.newest
            assert newest.state.final or self.deadlines[newest.number] > self.now, "nothing lives past its deadline"

    def teardown(self) -> None:
        """Everybody falls silent, and it ends all the same, within the sum of its runs' limits."""
        if hasattr(self, "world"):
            most = len(self.world.order) * (MOST_RUNS + 1) * RUN_LIMIT
            began = self.now
            self.time_passes(most, silent=True)
            assert self.world.state.final
            self.world.check()
            assert max(self.begun.values()) <= began + most
            self.stop_at_runpod()
            # one whose work was found done in S3 finds it there as well, and renders nothing
            known = {row.runpod_id for row in self.world.rows if row.state is not RunState.SUCCEEDED}
            running = {job.id for job in self.jobs if job.status in LIVE_JOBS}
            assert not running & known, "no job of ours renders on after the end"


TestCloud = Cloud.TestCase
TestCloud.settings = settings(deadline=None, database=None, max_examples=150, stateful_step_count=50)


def test_every_code_that_a_worker_may_say_has_a_rule() -> None:
    assert set(WORKER_CODES) <= RETRIES.keys()
