import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

test("the examples of the README compile", async () => {
  const readme = await readFile(`${ROOT}README.md`, "utf8");
  const blocks = [...readme.matchAll(/```ts\n(.*?)```/gs)].map((found) => found[1] ?? "");
  assert.equal(blocks.length, 4);
  await mkdir(`${ROOT}dist/readme`, { recursive: true });
  const files = blocks.map((_, index) => `${ROOT}dist/readme/example${index}.ts`);
  await Promise.all(files.map((file, index) => writeFile(file, blocks[index] ?? "")));
  const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, ts.sys.readFile) as { config: { compilerOptions: object } };
  const { options } = ts.convertCompilerOptionsFromJson({ ...config.compilerOptions, composite: false }, ROOT);
  const program = ts.createProgram(files, { ...options, noEmit: true, incremental: false });
  const problems = ts.getPreEmitDiagnostics(program);
  assert.equal(ts.formatDiagnostics(problems, { getCanonicalFileName: (name) => name, getCurrentDirectory: () => ROOT, getNewLine: () => "\n" }), "");
});
