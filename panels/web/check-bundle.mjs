// Fails when the committed dist/index.umd.js is not what the sources build to, byte for byte.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const fresh = mkdtempSync(join(tmpdir(), "coreset-bundle-"));
try {
  execFileSync("npx", ["vite", "build", "--logLevel", "warn"], {
    cwd: here,
    env: { ...process.env, BUNDLE_DIR: fresh },
    stdio: "inherit",
  });
  const built = readFileSync(join(fresh, "index.umd.js"));
  const committed = readFileSync(join(here, "../../dist/index.umd.js"));
  if (!built.equals(committed)) {
    console.error("dist/index.umd.js differs from the sources: run `npm run build` in panels/web and commit it");
    process.exitCode = 1;
  } else {
    console.log(`dist/index.umd.js matches its sources (${built.length} bytes)`);
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
