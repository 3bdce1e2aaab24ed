/** Numbers and times for people. Pure. */

export const STAGES = { base_gen: "Base", spatial_upscale: "Spatial upscaler", temporal_upscale: "Temporal upscaler" };

export const NOTHING = "–";

/** "0.3 s", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
export function seconds(count) {
  if (count === null || count === undefined) return NOTHING;
  if (count < 0.05) return "0 s";
  if (count < 9.95) return `${count.toFixed(1)} s`;
  const whole = Math.round(count);
  if (whole < 60) return `${whole} s`;
  const [large, unit, small, part] =
    whole < 3600
      ? [Math.floor(whole / 60), "min", whole % 60, "s"]
      : whole < 86_400
        ? [Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min"]
        : [Math.floor(whole / 86_400), "d", Math.floor((whole % 86_400) / 3600), "h"];
  return small ? `${large} ${unit} ${small} ${part}` : `${large} ${unit}`;
}

/** Seconds from one time of the database to another, both ISO 8601. */
export const between = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

/** "14:03:07", with the day before it where that is not the day of `now`. UTC, as the logs have it. */
export function clock(iso, now) {
  const [day, time] = new Date(iso).toISOString().split("T");
  const today = new Date(now).toISOString().slice(0, 10);
  return day === today ? time.slice(0, 8) : `${day.slice(5)} ${time.slice(0, 5)}`;
}

/** "3.1 MB". */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${unit && count < 10 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

export const percent = (share) => `${Math.round(100 * share)} %`;

/** "fast 720p, 10 s, detailer". */
export function asked({ quality, resolution, duration, ...rest }) {
  const extras = [
    rest.image && "image",
    rest.control && `${rest.control} control`,
    rest.spatial_upscale === false && "one pass",
    rest.temporal_upscale && "48 fps",
    rest.detailer && "detailer",
    rest.precision === "full" && "full precision",
    rest.steps && `${rest.steps} steps`,
  ];
  return [`${quality} ${resolution}`, `${duration} s`, ...extras].filter(Boolean).join(", ");
}
