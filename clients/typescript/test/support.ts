import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { after } from "node:test";
import { Ltx2Client, type ClientOptions, type Patience } from "@mivo/ltx2";

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type Answer = (response: ServerResponse, seen: Seen) => void | Promise<void>;

export interface Served {
  readonly url: string;
  readonly seen: Seen[];
}

/** Tests need not wait as long as people. */
export const QUICK: Patience = { tries: 4, firstMs: 5, maxMs: 2000 };

/** A real HTTP server that gives the answers in turn, the last one for ever; closed after the tests of the file. */
export async function serving(...answers: [Answer, ...Answer[]]): Promise<Served> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      const told = { method, url, headers, body: Buffer.concat(parts).toString("latin1") };
      const answer = answers[Math.min(seen.length, answers.length - 1)] ?? answers[0];
      seen.push(told);
      void answer(response, told);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

/** An address at which nobody listens any more. */
export async function nobody(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

export function clientOf(url: string, options: Partial<ClientOptions> = {}): Ltx2Client {
  return new Ltx2Client({
    baseUrl: url,
    apiKey: "key-of-the-test", // pragma: allowlist secret
    patience: QUICK,
    followPatience: QUICK,
    followBy: "events",
    ...options,
  });
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };
}

export function problem(status: number, code: string, more: object = {}, headers: Record<string, string> = {}): Answer {
  const body = { type: `urn:mivo:problem:${code}`, title: "No", status, code, detail: `it is ${code}`, retryable: false };
  return (response) => {
    response.writeHead(status, { "content-type": "application/problem+json", ...headers });
    response.end(JSON.stringify({ ...body, ...more }));
  };
}

export const hangUp: Answer = (response) => {
  response.destroy();
};

export const silent: Answer = () => undefined;

export async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of stream) found.push(each);
  return found;
}
