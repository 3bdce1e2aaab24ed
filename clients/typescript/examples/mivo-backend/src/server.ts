// Starts the backend by its environment; with `--local FILE` by the cloud.json of a local cloud (`make up`).
import { readFileSync } from "node:fs";
import { Ltx2Client } from "@mivo/ltx2";
import { createApp } from "./app.js";
import { Ledger } from "./ledger.js";

interface Settings {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly webhookSecrets: readonly string[];
}

function fromEnvironment(): Settings {
  const names = ["LTX2_URL", "LTX2_API_KEY", "LTX2_WEBHOOK_SECRETS"] as const;
  const [baseUrl, apiKey, secrets] = names.map((name) => process.env[name] ?? "");
  const missing = names.filter((name) => !process.env[name]);
  if (!baseUrl || !apiKey || !secrets) throw new Error(`not set: ${missing.join(", ")}`);
  return { baseUrl, apiKey, webhookSecrets: secrets.split(" ") };
}

function fromLocalCloud(file: string): Settings {
  const facts = JSON.parse(readFileSync(file, "utf8")) as { api_urls: string[]; api_key: string; webhook_secret: string };
  return { baseUrl: facts.api_urls[0] ?? "", apiKey: facts.api_key, webhookSecrets: [facts.webhook_secret] };
}

const port = Number(process.env["PORT"] ?? 3000);
const host = process.env["HOST"] ?? "127.0.0.1";
const publicUrl = process.env["PUBLIC_URL"] ?? `http://127.0.0.1:${port}`;
const [flag, file] = process.argv.slice(2);
const { baseUrl, apiKey, webhookSecrets } = flag === "--local" && file ? fromLocalCloud(file) : fromEnvironment();
const app = createApp({
  client: new Ltx2Client({ baseUrl, apiKey }),
  ledger: new Ledger(),
  webhookSecrets,
  webhookUrl: `${publicUrl}/webhooks/ltx2`,
});
const server = app.listen(port, host, (error?: Error) => {
  if (error) throw error; // e.g. the port is taken: choose another PORT
  console.log(`http://127.0.0.1:${port}, in front of ${baseUrl}`);
});
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    server.close();
    server.closeAllConnections(); // followers come back by themselves
  });
}
