/** What the buttons of a card do. */

import { Trouble } from "./api.js";
import { formOf } from "./offer.js";
import { advice, curl, sentence } from "./words.js";

const RENEW_SECONDS = 30;
const PLACEHOLDER = "https://your-orchestrator.example";

export function actionsOf(studio) {
  /** One thing at a time with each generation. */
  const alone = async (item, work) => {
    if (studio.busy.has(item.id)) return;
    studio.busy.add(item.id);
    studio.requestUpdate();
    try {
      await work();
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      const problem = `${sentence(trouble.message)} ${advice(trouble)}`;
      studio.copied = { id: item.id, problem };
    } finally {
      studio.busy.delete(item.id);
      studio.requestUpdate();
    }
  };

  const anew = (item, changes) =>
    alone(item, async () => {
      const body = { ...item.request, ...changes };
      for (const [name, value] of Object.entries(changes)) if (value === null) delete body[name];
      await studio.shelf.create(body);
    });

  return {
    async cancel(item) {
      await alone(item, () => studio.shelf.cancel(item.id));
      await studio.updateComplete;
      const card = studio.renderRoot.querySelector(`[data-id="${item.id}"]`);
      if (!card.contains(studio.renderRoot.activeElement)) card.querySelector("button")?.focus(); // the button is gone
    },

    again: (item) => anew(item, { seed: null }),
    retry: (item) => anew(item, {}),

    /** The same seed and settings: only the temporal stage is new work, everything before it is found in storage. */
    smoother: (item) => anew(item, { seed: item.seed, temporal_upscale: true }),

    reuse(item) {
      const { upload_id: _image, control: _control, ...plain } = item.request; // files are chosen again
      studio.change({ ...formOf(studio.card, plain), seed: item.seed });
      studio.renderRoot.querySelector("#prompt").focus();
    },

    /** A presigned URL ends after an hour; ask for another one, but not for ever. */
    async renew(item, video) {
      if (Date.now() - (item.live.renewed ?? 0) < RENEW_SECONDS * 1000) return;
      Object.assign(item.live, { renewed: Date.now(), renewing: true });
      await studio.shelf.refresh(item.id);
      await studio.updateComplete;
      video.load(); // also where the URL is the same and it was the network that failed
    },

    async copy(item, what) {
      const body = { ...item.request, seed: item.seed };
      const origin = studio.baseUrl ? PLACEHOLDER : location.origin;
      const text = what === "curl" ? curl(origin, body) : JSON.stringify(body, null, 2);
      try {
        await navigator.clipboard.writeText(text);
        studio.set({ copied: { id: item.id, what } });
      } catch {
        studio.set({ copied: { id: item.id, what, text, problem: "The browser does not let this page copy: take it from here." } });
      }
    },
  };
}
