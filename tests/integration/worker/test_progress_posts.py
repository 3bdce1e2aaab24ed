"""No post of progress comes after the result, and no reply waits for longer than it must; with the SDK's own posts."""

import asyncio
import json
import os
import sys
import time

from shared.worker.progress import INTERVAL

WORKER = """
import asyncio, json, time
import workers, runpod
from shared.contracts.stage import StageProgress
from shared.worker.progress import Throttle

async def main():
    throttle = Throttle(lambda post: runpod.serverless.progress_update({"id": "job"}, post))
    said = []
    for posts in (0, 1):
        if posts:
            throttle(StageProgress(attempt_id="a" * 32, phase="uploading", fraction=0.5))
        began = time.monotonic()
        await throttle.settle()
        said.append((began, time.monotonic()))
    print(json.dumps(said))

asyncio.run(main())
"""


async def settled(*, answers: bool) -> tuple[list[list[float]], list[float]]:
    """(began, ended) of a settle without a post and of one with a post, and when RunPod answered."""
    answered: list[float] = []
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if not answers:
            await over.wait()
            return writer.close()
        await asyncio.sleep(0.4)  # long enough for a reply to come before it, if nothing waited
        answered.append(time.monotonic())  # one clock for all processes
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        return writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        env = {**os.environ, "RUNPOD_WEBHOOK_POST_OUTPUT": f"http://127.0.0.1:{port}/job-done/$ID"}
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WORKER, env=env, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            said, _ = await worker.communicate()
        over.set()
    return json.loads(said.splitlines()[-1]), answered


async def test_a_reply_waits_for_the_answer_and_no_longer() -> None:
    (without, with_a_post), answered = await settled(answers=True)
    assert without[1] - without[0] < INTERVAL
    assert len(answered) == 1
    assert with_a_post[1] >= answered[0]


async def test_a_runpod_that_does_not_answer_holds_no_gpu() -> None:
    (_, with_a_post), answered = await settled(answers=False)
    assert answered == []
    assert with_a_post[1] - with_a_post[0] >= INTERVAL
