import type { Ltx2Client } from "@mivo/ltx2";
import express, { type Express, type RequestHandler } from "express";
import { generations } from "./generations.js";
import type { Ledger } from "./ledger.js";
import { answerProblems } from "./problems.js";
import { webhooks } from "./webhooks.js";

export interface Parts {
  readonly client: Ltx2Client;
  readonly ledger: Ledger;
  /** The new one, and the old one while they change. */
  readonly webhookSecrets: readonly string[];
  /** Where the orchestrator reaches `/webhooks/ltx2` of this backend. */
  readonly webhookUrl: string;
}

/** Pages call /api/...; the orchestrator calls /webhooks/ltx2. The API key is known to `client` alone. */
export function createApp({ client, ledger, webhookSecrets, webhookUrl }: Parts): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use("/webhooks/ltx2", webhooks(webhookSecrets, ledger)); // before any JSON parser: it needs the bytes
  app.use("/api", signedIn, express.json({ limit: "256kb" }), generations(client, webhookUrl));
  app.use(answerProblems);
  return app;
}

/** Stands for your own session: who asks is in `response.locals.user`. */
const signedIn: RequestHandler = (request, response, next) => {
  const user = request.get("x-user");
  if (user === undefined || !/^[\w-]{1,64}$/.test(user)) {
    response.status(401).json({ code: "signed_out", detail: "this example knows its users by the header x-user" });
    return;
  }
  response.locals["user"] = user;
  next();
};
