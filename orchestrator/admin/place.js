/** Where the page is: in the fragment of its address, so that a place can be sent to a colleague; and the kept key. */

const KEY = "ltx2-admin.key";

/** {generation} or {list, code, stage}. */
export function place() {
  const told = new URLSearchParams(location.hash.slice(1));
  const generation = told.get("generation");
  if (generation) return { generation };
  return { list: told.get("list") ?? "live", code: told.get("code"), stage: told.get("stage") };
}

/** The address of a place. */
export const link = (to) =>
  `#${new URLSearchParams(Object.entries(to).filter(([, value]) => value !== null && value !== undefined))}`;

/** The key lives as long as its tab. */
export const keptKey = () => sessionStorage.getItem(KEY);
export const keepKey = (key) => sessionStorage.setItem(KEY, key);
export const forgetKey = () => sessionStorage.removeItem(KEY);
