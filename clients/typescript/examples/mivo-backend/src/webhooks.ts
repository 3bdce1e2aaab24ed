// POST /webhooks/ltx2: how generations ended. It comes at least once, so each is handled once, by its webhook-id.
import { verifyWebhook, WebhookVerificationError } from "@mivo/ltx2";
import express, { Router } from "express";
import type { Ledger } from "./ledger.js";

export function webhooks(secrets: readonly string[], ledger: Ledger): Router {
  const router = Router();
  router.use(express.raw({ type: () => true, limit: "1mb" })); // the signature is over the bytes, not over the JSON
  router.post("/", async (request, response) => {
    const body = Buffer.isBuffer(request.body) ? request.body : ""; // an empty one is not parsed
    try {
      const { id, message } = await verifyWebhook({ secrets, headers: request.headers, body });
      if (message.type !== "generation.progress") {
        const { data } = message;
        await ledger.once(id, () => {
          ledger.book({
            generation: data.id,
            user: data.metadata?.["user"] ?? "",
            state: data.state,
            charged: data.credits_charged,
            refunded: data.credits_refund ?? 0,
          });
          console.log(`${data.id} ${data.state}: ${data.credits_charged} credits`);
        });
      }
      response.status(204).end();
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error; // 500: it comes again
      response.status(401).json({ code: error.code, detail: error.message });
    }
  });
  return router;
}
