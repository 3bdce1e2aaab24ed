// What pages ask for, passed on to the orchestrator: with its key, our webhook, and the user written on each video.
import { once } from "node:events";
import type { Generation, GenerationRequest, Ltx2Client, UploadRequest } from "@mivo/ltx2";
import { type Request, type Response, Router } from "express";
import { NotYours } from "./problems.js";

interface Tasks {
  readonly tasks: readonly GenerationRequest[];
}

export function generations(client: Ltx2Client, webhookUrl: string): Router {
  const router = Router();

  const wanted = (request: GenerationRequest, user: string): GenerationRequest => ({
    ...request,
    webhook_url: webhookUrl, // never one that a page names
    metadata: { ...request?.metadata, user },
  });

  const create = async (request: Request, response: Response): Promise<void> => {
    const user = userOf(response);
    const named = request.get("idempotency-key");
    // Two users may draw the same key; without one the client draws its own.
    const options = named === undefined ? {} : { idempotencyKey: `${user}:${named}` };
    const body = bodyOf(request);
    const made =
      "tasks" in body
        ? await client.createTasks(body.tasks.map((task) => wanted(task, user)), options)
        : await client.create(wanted(body, user), options);
    response.status(201).json(made);
  };

  const owned = async (request: Request<{ id: string }>, response: Response): Promise<Generation> => {
    const found = await client.get(request.params.id);
    if (found.metadata?.["user"] !== userOf(response)) throw new NotYours();
    return found;
  };

  router.post("/generations", create);
  router.post("/generations/studio/ai-video", create);

  router.get("/generations", async (request, response) => {
    const asked = Object.entries({ limit: request.query["limit"], before: request.query["before"] });
    const page = await client.list(Object.fromEntries(asked.filter(([, value]) => value !== undefined)));
    // The orchestrator knows one key, not its users; a backend with a table of its own lists from that.
    const own = page.generations.filter(({ metadata }) => metadata?.["user"] === userOf(response));
    response.json({ generations: own, next: page.next });
  });

  router.get("/generations/:id", async (request, response) => {
    response.json(await owned(request, response));
  });

  router.delete("/generations/:id", async (request, response) => {
    const { id } = await owned(request, response);
    response.json(await client.cancel(id));
  });

  router.get("/generations/:id/events", async (request, response) => {
    const found = await owned(request, response);
    const asked = Number(request.get("last-event-id") ?? request.query["after"]);
    const after = Number.isSafeInteger(asked) && asked > 0 ? asked : 0;
    if (found.finished_at !== undefined && after >= found.last_seq) {
      response.status(204).end(); // an EventSource stops coming back
      return;
    }
    await relay(client, found.id, after, response);
  });

  router.post("/quotes", async (request, response) => {
    const body = bodyOf(request);
    const quote = "tasks" in body ? client.quoteTasks(body.tasks) : client.quote(body);
    response.json(await quote);
  });

  router.get("/models", async (_request, response) => {
    response.json(await client.models());
  });

  router.post("/uploads", async (request, response) => {
    response.status(201).json(await client.createUpload(request.body as UploadRequest));
  });

  return router;
}

/** The events of a generation as server-sent events, until the end, or until the page leaves. */
async function relay(client: Ltx2Client, id: string, after: number, response: Response): Promise<void> {
  const left = new AbortController();
  response.on("close", () => left.abort());
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  });
  const alive = setInterval(() => response.write(": keep-alive\n\n"), 25_000);
  try {
    for await (const event of client.follow(id, { after, signal: left.signal })) {
      const taken = response.write(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      if (!taken) await once(response, "drain", { signal: left.signal });
    }
    response.end();
  } catch (error) {
    if (!left.signal.aborted) throw error; // otherwise the page has left, and nobody is there to be told
  } finally {
    clearInterval(alive);
  }
}

/** Whatever was sent: the orchestrator judges it, and its refusals are passed on. */
function bodyOf(request: Request): GenerationRequest | Tasks {
  const body = (request.body ?? {}) as GenerationRequest | { tasks: unknown };
  return "tasks" in body ? { tasks: Array.isArray(body.tasks) ? body.tasks : [] } : body;
}

function userOf(response: Response): string {
  return String(response.locals["user"]);
}
