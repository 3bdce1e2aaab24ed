/** A file of the user's, sent straight to storage by a presigned PUT. */

import { Trouble } from "./api.js";

const SECONDS = 900; // as long as the presigned URL is good

/** The upload id; `told` hears the share that has been sent, 0 to 1. Throws a Trouble. */
export async function upload(api, file, told, signal) {
  const slot = await api.insist("POST", "/api/uploads", { body: { media_type: file.type, bytes: file.size }, signal });
  await put(slot, file, told, signal);
  return slot.upload_id;
}

/** XMLHttpRequest, because fetch does not say how much it has sent. */
function put(slot, file, told, signal) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    const failed = (detail) => reject(new Trouble({ code: "upload_failed", detail, retryable: true }));
    sending.open(slot.method, slot.url);
    sending.timeout = SECONDS * 1000;
    for (const [name, value] of Object.entries(slot.headers)) {
      if (name.toLowerCase() !== "content-length") sending.setRequestHeader(name, value); // browsers set that themselves
    }
    sending.upload.onprogress = ({ loaded }) => told(loaded / file.size);
    sending.onload = () => (sending.status < 300 ? resolve() : failed(`Storage refused the file (${sending.status}).`));
    sending.onerror = () => failed("The file could not be sent to storage.");
    sending.ontimeout = () => failed("Sending the file took too long.");
    sending.onabort = () => reject(signal.reason);
    signal?.addEventListener("abort", () => sending.abort(), { once: true });
    sending.send(file);
  });
}

/** Why this file will be refused, said before it is sent; null when nothing speaks against it. */
export function fault(file, { types, bytes, what }) {
  if (!types.includes(file.type)) return `This is no ${what} that can be used: ${types.map((each) => each.split("/")[1]).join(", ")}.`;
  if (file.size > bytes) return `This file has ${weight(file.size)}; at most ${weight(bytes)} are allowed.`;
  return null;
}

/** "340 kB", "4.2 MB", "20 MB". */
export function weight(bytes) {
  if (bytes < 1048576) return `${Math.ceil(bytes / 1024)} kB`;
  return `${(bytes / 1048576).toFixed(bytes < 10485760 ? 1 : 0)} MB`;
}
