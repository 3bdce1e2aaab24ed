// Changes of the form, drawn by a seed, as the page would make them; answers with the bodies that the forms stand for.
async ([seed, key]) => {
  const offer = await import("/studio/offer.js");
  const answer = await fetch("/api/models", { headers: { Authorization: `Bearer ${key}` } });
  const card = (await answer.json()).models[0];
  const values = {
    upload_id: [null, "a".repeat(32)],
    "control.type": [null, "depth", "canny", "pose"],
    "control.upload_id": [null, "b".repeat(32)],
    "control.source": [null, "image"],
    "control.strength": [0, 0.5, 1],
    steps: [null, 20, 40],
    seed: [null, 0, 2 ** 53 - 1],
  };
  let state = seed;
  const draw = (many) => (state = (state * 48271) % 2147483647) % many;
  let form = { ...offer.defaults(card), prompt: "a lighthouse" };
  const bodies = [];
  for (let number = 0; number < 400; number += 1) {
    const { field, choices, kind } = card.options[draw(card.options.length)];
    if (field === "prompt") continue;
    const all = values[field] ?? (kind === "toggle" ? [true, false] : choices.map(({ value }) => value));
    const value = all[draw(all.length)];
    if (offer.refusal(card, form, field, value)) continue; // the page has disabled it
    form = offer.changed(card, form, { [field]: value }).form;
    bodies.push(offer.priced(card, form));
    if (!offer.missing(card, form)) bodies.push(offer.request(card, form));
  }
  return bodies;
}
