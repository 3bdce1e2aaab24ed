/** The files of the form: an image to begin with, and a reference video. Sent as soon as they are chosen. */

import { html, nothing, svg } from "./vendor/lit-3.3.3.js";
import { fault, weight, upload } from "./upload.js";
import { advice, percent } from "./words.js";

const VIDEO_TYPES = ["video/mp4", "video/webm", "video/quicktime"];

/** One chosen file on its way to storage. `field` is where its upload id goes. */
export class Pick {
  constructor(api, file, { field, card, changed }) {
    this.file = file;
    this.field = field;
    this.changed = changed;
    this.sent = 0;
    this.upload_id = null;
    this.size = null; // of an image, once it is decoded: [width, height]
    this.video = field !== "upload_id";
    const { image_types: types, image_bytes: bytes, video_bytes: most } = card.limits;
    this.problem = fault(file, this.video ? { types: VIDEO_TYPES, bytes: most, what: "video" } : { types, bytes, what: "image" });
    this.url = this.problem ? null : URL.createObjectURL(file);
    this.leaving = new AbortController();
    if (this.problem) return;
    this.measure();
    this.send(api);
  }

  async measure() {
    if (this.video) return;
    try {
      const picture = await createImageBitmap(this.file);
      this.size = [picture.width, picture.height];
      picture.close();
    } catch {
      this.problem = "This image cannot be read; it may be damaged.";
    }
    this.changed();
  }

  async send(api) {
    try {
      this.upload_id = await upload(api, this.file, (sent) => {
        this.sent = sent;
        this.changed();
      }, this.leaving.signal);
    } catch (trouble) {
      if (this.leaving.signal.aborted) return;
      this.problem = `${trouble.message} ${advice(trouble)}`;
    }
    this.changed();
  }

  get busy() {
    return !this.problem && !this.upload_id;
  }

  drop() {
    this.leaving.abort();
    if (this.url) URL.revokeObjectURL(this.url);
  }
}

/** The first file of a paste or a drop whose type begins so. */
export const fileIn = (transfer, kind) =>
  [...(transfer?.files ?? [])].find(({ type }) => type.startsWith(`${kind}/`)) ?? null;

/** The picture, dimmed where the 16:9 crop cuts it off. */
function cropped({ url, size: [width, height], file }) {
  const kept = Math.min(width, (height * 16) / 9);
  const tall = (kept * 9) / 16;
  const [left, top] = [(width - kept) / 2, (height - tall) / 2];
  const whole = `M0 0H${width}V${height}H0Z`;
  const hole = `M${left} ${top}h${kept}v${tall}h${-kept}Z`;
  const cut = kept < width - 1 ? "left and right" : tall < height - 1 ? "above and below" : null;
  return html`
    <svg class="crop" viewBox="0 0 ${width} ${height}" role="img" aria-label="Preview of ${file.name}">
      ${svg`<image href=${url} width=${width} height=${height}></image>
        <path class="dim" fill-rule="evenodd" d="${whole}${hole}"></path>
        <path class="keep" d=${hole}></path>`}
    </svg>
    <p class="hint">${width} × ${height}. ${cut ? `Cut to 16:9: what is dimmed ${cut} is left out.` : "Fits 16:9 as it is."}</p>`;
}

const state = (pick) => {
  if (pick.problem) return html`<p class="wrong" role="alert">${pick.problem}</p>`;
  if (pick.busy) return html`<p class="hint">Sending ${percent(pick.sent)} % of ${weight(pick.file.size)} …</p>`;
  return nothing;
};

/** Where the image is chosen, dropped or pasted, and shown. */
export function imageField({ card, image, pick, unpick }) {
  return html`
    <fieldset class="field">
      <legend>Image <small>optional</small></legend>
      ${image
        ? html`<div class="picked">
            ${image.url && image.size ? cropped(image) : nothing} ${state(image)}
            <button type="button" class="quiet" @click=${() => unpick("upload_id")}>Remove the image</button>
          </div>`
        : html`<label class="drop">
            <input type="file" accept=${card.limits.image_types.join(",")} aria-describedby="image-hint"
              @change=${({ target }) => target.files[0] && pick("upload_id", target.files[0])} />
            <span><b>Choose an image</b>, drop it here, or paste it</span>
            <small id="image-hint">The video begins with it. PNG, JPEG or WebP, up to ${weight(card.limits.image_bytes)}</small>
          </label>`}
    </fieldset>`;
}

/** Where the reference video of a control is chosen. */
export function videoField({ card, video, pick, unpick }) {
  if (video)
    return html`<div class="picked">
      ${video.url ? html`<video class="reference" src=${video.url} muted controls playsinline aria-label="Reference video"></video>` : nothing}
      ${state(video)}
      <button type="button" class="quiet" @click=${() => unpick("control.upload_id")}>Remove the video</button>
    </div>`;
  return html`<label class="drop small">
    <input type="file" accept=${VIDEO_TYPES.join(",")}
      @change=${({ target }) => target.files[0] && pick("control.upload_id", target.files[0])} />
    <span><b>Choose a reference video</b></span>
    <small>MP4, WebM or MOV, up to ${weight(card.limits.video_bytes)} and ${card.limits.video_seconds} s; cut or held to the duration</small>
  </label>`;
}
