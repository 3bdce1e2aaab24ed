/** What this browser keeps: which request a generation was made from (the API does not repeat prompts), and the key. */

const REQUESTS = "ltx2-studio.requests";
const KEY = "ltx2-studio.key";
const FORM = "ltx2-studio.form";
const KEPT = 200; // newest requests

function read(storage, name, otherwise) {
  try {
    return JSON.parse(storage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise; // storage is switched off, or somebody else wrote there
  }
}

function write(storage, name, value) {
  try {
    storage.setItem(name, JSON.stringify(value));
  } catch {
    // full or switched off: the page works without a memory
  }
}

export const requestOf = (id) => read(localStorage, REQUESTS, {})[id] ?? null;

export function remember(id, request) {
  const all = Object.entries({ ...read(localStorage, REQUESTS, {}), [id]: request });
  write(localStorage, REQUESTS, Object.fromEntries(all.slice(-KEPT)));
}

/** The key lives as long as its tab, and no other page of this origin that is opened later can read it. */
export const keptKey = () => read(sessionStorage, KEY, null);
export const keepKey = (key) => write(sessionStorage, KEY, key);

/** What was typed survives a reload of the tab. */
export const keptForm = () => read(sessionStorage, FORM, null);
export const keepForm = (form) => write(sessionStorage, FORM, form);

/** Leave nothing behind: the key, the form and all prompts. */
export function forget() {
  for (const [storage, name] of [[sessionStorage, KEY], [sessionStorage, FORM], [localStorage, REQUESTS]]) {
    storage.removeItem(name);
  }
}

/** Tells the other tabs of this page which generation has changed, and hears it from them. */
export class Tabs {
  constructor(heard) {
    this.channel = new BroadcastChannel("ltx2-studio");
    this.channel.onmessage = ({ data }) => heard(data);
  }

  tell(id) {
    this.channel.postMessage(id);
  }

  close() {
    this.channel.close();
  }
}
