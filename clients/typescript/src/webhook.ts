// Webhooks, verified as Standard Webhooks says: HMAC-SHA256 over `id.timestamp.body`, compared in constant time.
import { WebhookVerificationError } from "./errors.js";
import type { RunPodMessage, WebhookMessage, WebhookProgress } from "./types.js";

/** By the orchestrator's settings: its ends; progress too; or its ends in the shape of RunPod's own webhooks. */
export type WebhookBody = WebhookMessage | WebhookProgress | RunPodMessage;

export interface Webhook<Body extends WebhookBody = WebhookMessage | WebhookProgress> {
  /** The same for each repetition of a message: whoever remembers it handles each message once. */
  readonly id: string;
  readonly message: Body;
}

export interface WebhookToVerify {
  /** The secrets that may have signed, e.g. the new and the old one: `whsec_...`. */
  readonly secrets: readonly string[];
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** As it came: parsed and written anew, it would not verify. */
  readonly body: Uint8Array | string;
  /** How far the clocks of the two sides may be apart, and how long a message may take. */
  readonly toleranceSeconds?: number;
  readonly now?: () => number;
}

const PREFIX = "whsec_";
const VERSION = "v1,";

/** The message, when one of the secrets signed it a short while ago; WebhookVerificationError otherwise. */
export async function verifyWebhook<Body extends WebhookBody = WebhookMessage | WebhookProgress>(
  given: WebhookToVerify,
): Promise<Webhook<Body>> {
  const id = headerOf(given.headers, "webhook-id");
  const timestamp = headerOf(given.headers, "webhook-timestamp");
  const signatures = headerOf(given.headers, "webhook-signature");
  checkAge(timestamp, given.toleranceSeconds ?? 300, (given.now ?? Date.now)() / 1000);
  const body = typeof given.body === "string" ? new TextEncoder().encode(given.body) : given.body;
  const content = joined(new TextEncoder().encode(`${id}.${timestamp}.`), body);
  const offered = signatures
    .split(" ")
    .filter((each) => each.startsWith(VERSION))
    .map((each) => bytesOf(each.slice(VERSION.length)));
  if (!(await anyFits(given.secrets, offered, content))) {
    throw new WebhookVerificationError("no signature of the webhook fits");
  }
  try {
    return { id, message: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as Body };
  } catch {
    throw new WebhookVerificationError("the body is signed, but no JSON");
  }
}

async function anyFits(
  secrets: readonly string[],
  offered: readonly (Uint8Array<ArrayBuffer> | undefined)[],
  content: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  let fits = false;
  for (const secret of secrets) {
    const raw = bytesOf(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret);
    if (raw === undefined || raw.length === 0) throw new TypeError("a webhook secret is whsec_ and base64");
    const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    for (const signature of offered) {
      if (signature && (await crypto.subtle.verify("HMAC", key, signature, content))) fits = true;
    }
  }
  return fits;
}

function headerOf(headers: WebhookToVerify["headers"], name: string): string {
  const found = headers instanceof Headers ? headers.get(name) : headers[name];
  if (typeof found !== "string" || found === "") throw new WebhookVerificationError(`the header ${name} is missing`);
  return found;
}

function checkAge(timestamp: string, tolerance: number, now: number): void {
  if (!/^\d+$/.test(timestamp)) throw new WebhookVerificationError("the timestamp is no number");
  if (Math.abs(now - Number(timestamp)) > tolerance) {
    throw new WebhookVerificationError(`the timestamp is more than ${tolerance} s away`);
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

/** Of base64; undefined when it is none. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined; // atob knows one error only
  }
}
