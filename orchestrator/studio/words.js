/** Words for people. */

export const STAGES = { base_gen: "Base", spatial_upscale: "Spatial upscaler", temporal_upscale: "Temporal upscaler" };

const AGAIN = "You can try it again as it is.";
const OURS = "This is a mistake on our side. If it happens again, tell support the number below.";
const ADVICE = {
  invalid_input: "Change what is named here, and try again.",
  input_unreachable: "The image or video could not be fetched. Choose the file again.",
  input_too_large: "Choose a smaller file.",
  input_not_media: "Choose another file: this one cannot be read as an image or video.",
  idempotency_conflict: "Reload the page, and try again.",
  out_of_memory: "The video did not fit onto the machine. Try 720p, a shorter video, or precision fp8.",
  disk_full: AGAIN,
  artifact_missing: AGAIN,
  artifact_corrupt: AGAIN,
  bad_output: "The video did not pass our check. Another seed often helps.",
  rate_limited: "Wait a moment, and try again.",
  too_many_in_flight: "Wait until one of your videos is done, or cancel one.",
  unauthorized: "Sign in again, or enter a valid key.",
  offline: "Look at your connection; this page goes on by itself when it is back.",
  upload_failed: "Choose the file again.",
};

/** What to do about an error. */
export const advice = ({ code, retryable }) => ADVICE[code] ?? (retryable || FAMILY.has(code) ? AGAIN : OURS);

const FAMILY = new Set([
  "storage_unavailable", "comfy_unreachable", "comfy_crashed", "connection_lost", "worker_lost", "execution_timeout",
  "runpod_unavailable",
]);

/** "The duration has to be…": a sentence from a machine, as a sentence. */
export function sentence(text) {
  const trimmed = (text ?? "").trim();
  if (!trimmed) return "";
  const first = trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** "45 s", "1 min 20 s", "6 min". */
export function seconds(count) {
  if (count < 60) return `${Math.max(1, Math.round(count))} s`;
  const step = count < 300 ? 10 : 60;
  const rounded = Math.round(count / step) * step;
  const rest = rounded % 60;
  return `${Math.floor(rounded / 60)} min${rest ? ` ${rest} s` : ""}`;
}

export const percent = (fraction) => Math.floor(Math.min(Math.max(fraction, 0), 1) * 100);

export const credits = (count) => `${count} ${count === 1 ? "credit" : "credits"}`;

/** "just now", "5 minutes ago", else the day. */
export function ago(iso, now = Date.now()) {
  const minutes = Math.round((now - Date.parse(iso)) / 60_000);
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (minutes < 1) return "just now";
  if (minutes < 60) return words.format(-minutes, "minute");
  if (minutes < 24 * 60) return words.format(-Math.round(minutes / 60), "hour");
  return new Intl.DateTimeFormat("en", { dateStyle: "medium" }).format(new Date(iso));
}

/** The request as a command line; the key stays out of it. */
export function curl(origin, body) {
  const quoted = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return [
    `curl -X POST '${origin}/api/generations' \\`,
    `  -H "Authorization: Bearer $LTX2_KEY" \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${quoted}'`,
  ].join("\n");
}
