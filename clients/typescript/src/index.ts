export type { Patience } from "./backoff.js";
export { Ltx2Client, type ClientOptions, type CreateOptions, type UploadOptions } from "./client.js";
export { ApiError, Ltx2Error, TimeoutError, UnreachableError, WebhookVerificationError } from "./errors.js";
export type { FollowOptions } from "./follow.js";
export type { CallOptions } from "./http.js";
export type { SocketClass, SocketLike } from "./socket.js";
export type * from "./types.js";
export type { UploadProgress } from "./upload.js";
export { verifyWebhook, type Webhook, type WebhookBody, type WebhookToVerify } from "./webhook.js";
