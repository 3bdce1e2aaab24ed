// The names of the API's types, as docs/openapi.json has them.
import type { components } from "./api.js";

type Schemas = components["schemas"];

export type GenerationRequest = Schemas["GenerationRequest"];
export type Generation = Schemas["Generation"];
export type Generations = Schemas["Generations"];
export type GenerationPage = Schemas["GenerationPage"];
export type GenerationState = Schemas["GenerationState"];
export type Quote = Schemas["Quote"];
export type Quotes = Schemas["Quotes"];
export type Models = Schemas["Models"];
export type ModelCard = Schemas["ModelCard"];
export type Upload = Schemas["Upload"];
export type UploadRequest = Schemas["UploadRequest"];
export type MediaType = UploadRequest["media_type"];
export type ProgressEvent = Schemas["ProgressEvent"];
export type WebhookMessage = Schemas["WebhookMessage"];
export type WebhookProgress = Schemas["WebhookProgress"];
export type RunPodMessage = Schemas["RunPodMessage"];
export type Problem = Schemas["Problem"];
export type FieldProblem = Schemas["FieldProblem"];
