import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo } from "node:net";
import { after, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { all, clientOf } from "./support.js";

const event = (seq: number, type = "progress") => JSON.stringify({ seq, type });
const END = "generation.succeeded";
const HEARTBEAT = JSON.stringify({ type: "heartbeat" });

type Turn = (socket: WebSocket) => void;

interface Sockets {
  readonly url: string;
  readonly opened: { url: string | undefined; protocols: string | undefined }[];
  /** Requests that are no upgrade. */
  readonly plain: IncomingMessage[];
}

/** A WebSocket server that takes the turns one after the other; with none it refuses. Plain requests end at once. */
async function sockets(...turns: Turn[]): Promise<Sockets> {
  const opened: Sockets["opened"] = [];
  const plain: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    plain.push(request);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(`data: ${event(9, END)}\n\n`);
  });
  const accepting = new WebSocketServer({ noServer: true, handleProtocols: () => "ltx2.progress" });
  server.on("upgrade", (request, stream, head) => {
    opened.push({ url: request.url, protocols: request.headers["sec-websocket-protocol"] });
    const turn = turns.shift();
    if (turn === undefined) stream.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
    else accepting.handleUpgrade(request, stream, head, turn);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    for (const socket of accepting.clients) socket.terminate();
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, opened, plain };
}

const bySocket = { followBy: "socket", WebSocket } as const;

function telling(code: number, ...messages: string[]): Turn {
  return (socket) => {
    for (const message of messages) socket.send(message);
    socket.close(code);
  };
}

test("the key goes as a subprotocol, and 1000 is the end", async () => {
  const server = await sockets(telling(1000, event(1), event(2)));
  const events = await all(clientOf(server.url, bySocket).follow("g1"));
  assert.deepEqual(events.map(({ seq }) => seq), [1, 2]);
  assert.deepEqual(server.opened, [
    { url: "/api/generations/g1/progress?after=0", protocols: "ltx2.progress,bearer.key-of-the-test" },
  ]);
});

test("a socket that says come again, breaks or talks nonsense is opened anew after the last number", async () => {
  const server = await sockets(
    telling(1012, event(1), HEARTBEAT, event(2)),
    (socket) => socket.terminate(),
    telling(1000, "no JSON"),
    telling(1012, event(2), event(3)),
    telling(1000, event(4, END)),
  );
  const events = await all(clientOf(server.url, bySocket).follow("g1"));
  assert.deepEqual(events.map(({ seq }) => seq), [1, 2, 3, 4]);
  assert.deepEqual(server.opened.map(({ url }) => url?.split("=")[1]), ["0", "2", "2", "2", "3"]);
  assert.equal(server.plain.length, 0);
});

test("the event that ends a generation ends it, whatever the socket does then", async () => {
  const server = await sockets((socket) => socket.send(event(1, END)));
  assert.equal((await all(clientOf(server.url, bySocket).follow("g1"))).length, 1);
});

test("a silent socket is dropped", async () => {
  const server = await sockets((socket) => socket.send(event(1)), telling(1000, event(2, END)));
  const events = await all(clientOf(server.url, { ...bySocket, silenceMs: 500 }).follow("g1"));
  assert.deepEqual(events.map(({ seq }) => seq), [1, 2]);
});

test("a heartbeat is no silence", async () => {
  const server = await sockets((socket) => {
    const started = performance.now();
    const timer = setInterval(() => {
      const long = performance.now() - started > 2500;
      socket.send(long ? event(1, END) : HEARTBEAT);
      if (long) clearInterval(timer);
    }, 100);
  });
  await all(clientOf(server.url, { ...bySocket, silenceMs: 2000 }).follow("g1"));
  assert.equal(server.opened.length, 1);
});

test("where no socket opens, server-sent events are read", async () => {
  const server = await sockets();
  const events = await all(clientOf(server.url, bySocket).follow("g1", { after: 8 }));
  assert.deepEqual(events.map(({ seq }) => seq), [9]);
  assert.deepEqual(server.plain.map(({ url, headers }) => [url, headers["last-event-id"]]), [
    ["/api/generations/g1/events", "8"],
  ]);
});

test("a key that cannot be a subprotocol goes in the header of server-sent events", async () => {
  const server = await sockets(telling(1000, event(1, END)));
  const apiKey = "key/of+base64=="; // pragma: allowlist secret
  const events = await all(clientOf(server.url, { ...bySocket, apiKey }).follow("g1"));
  assert.deepEqual(events.map(({ seq }) => seq), [9]);
  assert.equal(server.plain[0]?.headers.authorization, `Bearer ${apiKey}`);
});

test("an AbortSignal closes the socket", async () => {
  let left: () => void;
  const gone = new Promise<void>((resolve) => (left = resolve));
  const server = await sockets((socket) => {
    socket.on("close", left);
    socket.send(event(1));
  });
  const control = new AbortController();
  const following = clientOf(server.url, bySocket).follow("g1", { signal: control.signal });
  await following.next();
  control.abort(new Error("the user left"));
  await assert.rejects(following.next(), { message: "the user left" });
  await gone;
});
