import { createHmac, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { after } from "node:test";
import { Ltx2Client } from "@mivo/ltx2";
import { createApp } from "../src/app.js";
import { Ledger } from "../src/ledger.js";

export const SECRET = `whsec_${Buffer.from("the secret of the tests of the example").toString("base64")}`;

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export interface Backend {
  readonly url: string;
  readonly ledger: Ledger;
  /** As a signed in user. */
  readonly ask: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Response>;
}

/** The example itself, on a real socket, in front of an orchestrator. */
export async function backend(orchestrator: string, apiKey: string, secret = SECRET, user = "ann"): Promise<Backend> {
  const server = createServer();
  const url = await listening(server);
  const ledger = new Ledger();
  const client = new Ltx2Client({ baseUrl: orchestrator, apiKey, patience: { tries: 2, firstMs: 5, maxMs: 50 } });
  const app = createApp({ client, ledger, webhookSecrets: [secret], webhookUrl: `${url}/webhooks/ltx2` });
  server.on("request", app as RequestListener);
  const ask: Backend["ask"] = (method, path, body, headers = {}) =>
    fetch(url + path, {
      method,
      headers: { "x-user": user, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return { url, ledger, ask };
}

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

/** Stands where the orchestrator is: a server that gives one answer to everything. */
export async function orchestrator(
  answer: (response: ServerResponse, seen: Seen) => void,
): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const url = await listening(
    createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const text = Buffer.concat(parts).toString();
        const { method = "", url = "", headers } = request;
        const told = { method, url, headers, body: text === "" ? undefined : (JSON.parse(text) as unknown) };
        seen.push(told);
        answer(response, told);
      });
    }),
  );
  return { url, seen };
}

export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** A webhook as the orchestrator signs it. */
export function webhook(url: string, message: unknown, id: string = randomUUID(), secret = SECRET): Promise<Response> {
  const at = String(Math.floor(Date.now() / 1000));
  const body = JSON.stringify(message, null, 1); // its own white space: only the bytes as they came verify
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${at}.${body}`).digest("base64");
  const signed = { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": `v1,${signature}` };
  const headers = { "content-type": "application/json", ...signed };
  return fetch(`${url}/webhooks/ltx2`, { method: "POST", headers, body });
}
