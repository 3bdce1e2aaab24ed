import type { Patience } from "./backoff.js";
import { eventStream } from "./events.js";
import { follow, type FollowOptions } from "./follow.js";
import type { Listen } from "./heard.js";
import { type CallOptions, Http, persist } from "./http.js";
import { progressSocket, type SocketClass } from "./socket.js";
import type {
  Generation,
  GenerationPage,
  GenerationRequest,
  Generations,
  MediaType,
  Models,
  ProgressEvent,
  Quote,
  Quotes,
  Upload,
  UploadRequest,
} from "./types.js";
import { put, type UploadProgress } from "./upload.js";

export interface ClientOptions {
  /** Of the orchestrator; or of your own backend in front of it, in a page. */
  readonly baseUrl: string;
  /** For servers only. A page asks your backend, which knows the key. */
  readonly apiKey?: string;
  /** Sent with every request, e.g. what your backend knows its users by. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of one try of one request; 30 s unless told. */
  readonly timeoutMs?: number;
  /** Of one try of an upload; 5 minutes unless told. */
  readonly uploadTimeoutMs?: number;
  /** What may be repeated is tried so often; unless told 4 times, 0.5 s doubling, at most 20 s apart. */
  readonly patience?: Patience;
  /** The progress is given up after so many failures with no news between them; unless told 8, up to 15 s apart. */
  readonly followPatience?: Patience;
  /** A connection over which nothing came for so long is dropped; 75 s unless told. Heartbeats come every 30 s. */
  readonly silenceMs?: number;
  /** Node 20 has none: hand over that of the package `ws`, or none, and server-sent events are read. */
  readonly WebSocket?: SocketClass;
  /** `events`: never open a WebSocket. Unless told, one is tried where there is one. */
  readonly followBy?: "socket" | "events";
  readonly fetch?: typeof fetch;
}

export interface CreateOptions extends CallOptions {
  /** Name the user's wish by it, and the wish is carried out once, however often it is sent. One is drawn unless told. */
  readonly idempotencyKey?: string;
}

export interface UploadOptions {
  /** That of the Blob unless told. */
  readonly mediaType?: MediaType;
  readonly onProgress?: (progress: UploadProgress) => void;
  readonly signal?: AbortSignal;
}

const PATIENCE: Patience = { tries: 4, firstMs: 500, maxMs: 20_000 };
const FOLLOW_PATIENCE: Patience = { tries: 8, firstMs: 500, maxMs: 15_000 };
const GENERATIONS = "/api/generations";

export class Ltx2Client {
  private readonly http: Http;
  private readonly options: ClientOptions;

  constructor(options: ClientOptions) {
    this.options = options;
    this.http = new Http({
      baseUrl: options.baseUrl.replace(/\/+$/, ""),
      apiKey: options.apiKey,
      headers: options.headers ?? {},
      timeoutMs: options.timeoutMs ?? 30_000,
      patience: options.patience ?? PATIENCE,
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    });
  }

  /** Starts one video. */
  create(request: GenerationRequest, options: CreateOptions = {}): Promise<Generation> {
    return this.start(request, options);
  }

  /** Starts one to five videos: all of them, or none. */
  createTasks(tasks: readonly GenerationRequest[], options: CreateOptions = {}): Promise<Generations> {
    return this.start({ tasks }, options);
  }

  get(id: string, options?: CallOptions): Promise<Generation> {
    return this.http.json({ method: "GET", path: pathOf(id), repeatable: true }, options);
  }

  /** The newest first; `next` of a page is `before` of the following one. */
  list(page: { limit?: number; before?: number } = {}, options?: CallOptions): Promise<GenerationPage> {
    const query = new URLSearchParams(Object.entries(page).map(([name, value]) => [name, String(value)]));
    const path = query.size > 0 ? `${GENERATIONS}?${query}` : GENERATIONS;
    return this.http.json({ method: "GET", path, repeatable: true }, options);
  }

  /** Stops it, and gives the credits back. ApiError `already_ended` when there is nothing to stop. */
  cancel(id: string, options?: CallOptions): Promise<Generation> {
    return this.http.json({ method: "DELETE", path: pathOf(id), repeatable: false }, options);
  }

  /** What it would cost and how long it would take. Starts nothing. */
  quote(request: GenerationRequest, options?: CallOptions): Promise<Quote> {
    return this.http.json({ method: "POST", path: "/api/quotes", body: request, repeatable: true }, options);
  }

  quoteTasks(tasks: readonly GenerationRequest[], options?: CallOptions): Promise<Quotes> {
    return this.http.json({ method: "POST", path: "/api/quotes", body: { tasks }, repeatable: true }, options);
  }

  /** The model card: options, bounds, defaults, impossible combinations, prices. */
  models(options?: CallOptions): Promise<Models> {
    return this.http.json({ method: "GET", path: "/api/models", repeatable: true }, options);
  }

  /** Where to PUT exactly so many bytes. A slot that nobody fills is nothing, so asking twice does no harm. */
  createUpload(request: UploadRequest, options?: CallOptions): Promise<Upload> {
    return this.http.json({ method: "POST", path: "/api/uploads", body: request, repeatable: true }, options);
  }

  /** Brings an image or a control video to the storage; the result goes into an `upload_id`. */
  async upload(data: Blob, options: UploadOptions = {}): Promise<string> {
    const media_type = options.mediaType ?? (data.type as MediaType); // the API judges it
    const slot = await this.createUpload({ media_type, bytes: data.size }, { signal: options.signal });
    await persist(this.http.options.patience, options.signal, () =>
      put({
        slot,
        data,
        fetch: this.http.options.fetch,
        timeoutMs: this.options.uploadTimeoutMs ?? 300_000,
        signal: options.signal,
        onProgress: options.onProgress ?? (() => undefined),
      }),
    );
    return slot.upload_id;
  }

  /** Every event after `after` until the end of the generation; reconnects as often as it takes, and misses nothing. */
  follow(id: string, options: FollowOptions = {}): AsyncGenerator<ProgressEvent, void> {
    const silenceMs = this.options.silenceMs ?? 75_000;
    const events = eventStream(this.http, `${pathOf(id)}/events`, silenceMs);
    const ways: readonly [Listen, ...Listen[]] = [...this.sockets(id, silenceMs), events] as const;
    return follow(ways, this.options.followPatience ?? FOLLOW_PATIENCE, options);
  }

  private sockets(id: string, silenceMs: number): [] | [Listen] {
    const WebSocket = this.options.WebSocket ?? (globalThis.WebSocket as SocketClass | undefined);
    if (WebSocket === undefined || this.options.followBy === "events") return [];
    const { baseUrl, apiKey, timeoutMs } = this.http.options;
    const url = `${absolute(baseUrl).replace(/^http/, "ws")}${pathOf(id)}/progress`;
    return [progressSocket({ url, apiKey, WebSocket, timeoutMs, silenceMs })];
  }

  private start<T>(body: unknown, { idempotencyKey = drawn(), ...options }: CreateOptions): Promise<T> {
    return this.http.json({ method: "POST", path: GENERATIONS, body, idempotencyKey, repeatable: true }, options);
  }
}

function pathOf(id: string): string {
  return `${GENERATIONS}/${encodeURIComponent(id)}`;
}

/** A page may name its own server by nothing or by a path. */
function absolute(baseUrl: string): string {
  return /^https?:/.test(baseUrl) ? baseUrl : globalThis.location.origin + baseUrl;
}

/** crypto.randomUUID exists in secure contexts only. */
function drawn(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
