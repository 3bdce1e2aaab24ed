/**
 * What the model card (GET /api/models) offers: defaults, rules, and the request that a filled form stands for. Pure.
 *
 * A form is a plain object, option field -> value (`"control.type"` and the like are flat); null means left out.
 */

/** The option of a field; undefined where this card has none. */
export const option = (card, field) => card.options.find((each) => each.field === field);

export const defaults = (card) => Object.fromEntries(card.options.map((each) => [each.field, each.default ?? null]));

const holds = (rule, form) =>
  Object.entries(rule.when).every(([field, values]) => values.includes(form[field] ?? null));

/** Why `field` may not have `value` now; null when it may. */
export function refusal(card, form, field, value) {
  const rule = card.rules.find((each) => each.field === field && holds(each, form) && !each.allowed.includes(value));
  return rule ? rule.reason : null;
}

/** The form after a change, with what it makes impossible put right, and a sentence for each such thing. */
export function changed(card, form, changes) {
  let next = { ...form, ...changes };
  const notes = [];
  for (const rule of card.rules) {
    const value = next[rule.field] ?? null;
    if (!holds(rule, next) || rule.allowed.includes(value)) continue;
    const legal = nearest(rule.allowed, value);
    next = { ...next, [rule.field]: legal };
    if (!(rule.field in changes)) notes.push(`${nameOf(card, rule.field, legal)}: ${rule.reason}.`);
  }
  return { form: next, notes };
}

const nearest = (allowed, value) =>
  typeof value === "number" && allowed.every((each) => typeof each === "number")
    ? allowed.reduce((best, each) => (Math.abs(each - value) < Math.abs(best - value) ? each : best))
    : allowed[0];

function nameOf(card, field, value) {
  const { label, choices = [] } = option(card, field) ?? { label: field };
  const chosen = choices.find((each) => each.value === value)?.label ?? value;
  return value === null ? `${label} is off` : `${label} is now ${chosen}`;
}

const fits = ({ kind, minimum, maximum }, value) =>
  kind !== "number" || value === null || (value >= minimum && value <= maximum);

/** What still keeps the form from being sent, as a sentence; null when nothing does. */
export function missing(card, form) {
  const length = [...form.prompt.trim()].length;
  if (!length) return "Write a prompt first.";
  if (length > card.limits.prompt_characters) return `The prompt is ${length - card.limits.prompt_characters} characters too long.`;
  if (form["control.type"] && !form["control.upload_id"] && !form["control.source"])
    return "Choose a reference video for the control, or the image itself.";
  const bad = card.options.find((each) => !fits(each, form[each.field] ?? null));
  return bad ? `${bad.label} goes from ${bad.minimum} to ${bad.maximum}.` : null;
}

/** The body of POST /api/generations. */
export function request(card, form) {
  const body = {};
  const control = {};
  for (const { field } of card.options) {
    const value = form[field] ?? null;
    const [group, name] = field.split(".");
    if (value === null) continue;
    if (name) control[name] = value;
    else body[group] = value;
  }
  body.prompt = (form.prompt ?? "").trim();
  if (control.source) delete control.upload_id; // the video stays chosen on the page, should its user turn back
  if (control.type) body.control = control;
  return body;
}

/** What a price is asked for: as the request, but good even while something is missing or a number is out of range. */
export function priced(card, form) {
  const good = Object.fromEntries(card.options.filter((each) => fits(each, form[each.field] ?? null)).map(({ field }) => [field, form[field]]));
  const body = request(card, { ...good, prompt: form.prompt.trim() || "a prompt" });
  if (body.control && !body.control.upload_id && !body.control.source) delete body.control;
  return body;
}

/** The form that a request was made from, as far as this card still offers it. */
export function formOf(card, body) {
  const flat = { ...body };
  for (const [name, value] of Object.entries(body.control ?? {})) flat[`control.${name}`] = value;
  const known = Object.entries(flat).filter(([field]) => option(card, field));
  return changed(card, defaults(card), Object.fromEntries(known)).form;
}
