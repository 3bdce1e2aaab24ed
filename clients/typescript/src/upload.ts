// A presigned PUT that tells how far it is.
import { ApiError, TimeoutError, UnreachableError } from "./errors.js";
import { failureOf } from "./http.js";
import type { Upload } from "./types.js";

export interface UploadProgress {
  readonly sentBytes: number;
  readonly totalBytes: number;
}

export interface Put {
  readonly slot: Upload;
  readonly data: Blob;
  readonly fetch: typeof fetch;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (progress: UploadProgress) => void;
}

const CHUNK = 64 * 1024;

/** Once. In browsers by XMLHttpRequest: their fetch can neither tell how far it is nor send a stream of known length. */
export async function put(work: Put): Promise<void> {
  work.signal?.throwIfAborted();
  const status = await (typeof XMLHttpRequest === "undefined" ? byFetch(work) : byRequest(work));
  if (status < 200 || status > 299) {
    const detail = `the storage answered ${status}`;
    throw new ApiError(status, { code: "upload_refused", detail, retryable: status >= 500 || status === 429 });
  }
  work.onProgress({ sentBytes: work.data.size, totalBytes: work.data.size });
}

async function byFetch(work: Put): Promise<number> {
  const deadline = AbortSignal.timeout(work.timeoutMs);
  const init: RequestInit & { duplex: "half" } = {
    method: "PUT",
    headers: { ...work.slot.headers, "content-length": String(work.data.size) }, // it is part of the signature
    body: told(work),
    duplex: "half",
    redirect: "error",
    signal: work.signal ? AbortSignal.any([work.signal, deadline]) : deadline,
  };
  try {
    const answer = await work.fetch(work.slot.url, init);
    await answer.arrayBuffer();
    return answer.status;
  } catch (error) {
    if (deadline.aborted && !work.signal?.aborted) throw tooSlow(work);
    throw failureOf(error, "the upload", work.signal);
  }
}

/** The data in pieces, each told of when it is asked for. */
function told({ data, onProgress }: Put): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    async pull(controller) {
      if (sent >= data.size) {
        controller.close();
        return;
      }
      onProgress({ sentBytes: sent, totalBytes: data.size });
      const piece = data.slice(sent, sent + CHUNK);
      sent += piece.size;
      controller.enqueue(new Uint8Array(await piece.arrayBuffer()));
    },
  });
}

function byRequest(work: Put): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    const end = (settle: () => void) => () => {
      work.signal?.removeEventListener("abort", stop);
      settle();
    };
    request.open("PUT", work.slot.url);
    request.timeout = work.timeoutMs;
    for (const [name, value] of Object.entries(work.slot.headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) =>
      work.onProgress({ sentBytes: event.loaded, totalBytes: work.data.size });
    request.onload = end(() => resolve(request.status));
    request.onerror = end(() => reject(new UnreachableError("the storage cannot be reached")));
    request.ontimeout = end(() => reject(tooSlow(work)));
    request.onabort = end(() => reject(work.signal?.reason));
    work.signal?.addEventListener("abort", stop, { once: true });
    request.send(work.data);
  });
}

function tooSlow(work: Put): TimeoutError {
  return new TimeoutError(`the upload took more than ${work.timeoutMs} ms`);
}
