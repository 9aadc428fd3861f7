import { defineConfig } from "vitest/config";

/** What the App provides at run time, by the name of the global that holds it. */
const APP_GLOBALS = {
  react: "React",
  "@fiftyone/components": "__foc__",
  "@fiftyone/operators": "__foo__",
  "@fiftyone/plugins": "__fop__",
  "@fiftyone/state": "__fos__",
};

export default defineConfig({
  // The App has no automatic JSX runtime, only React itself.
  esbuild: { jsx: "transform" },
  build: {
    outDir: process.env.BUNDLE_DIR ?? "../../dist",
    emptyOutDir: true,
    target: "es2020",
    lib: { entry: "src/index.tsx", name: "fiftyoneCoreset", formats: ["umd"], fileName: () => "index.umd.js" },
    rollupOptions: { external: Object.keys(APP_GLOBALS), output: { globals: APP_GLOBALS } },
  },
  test: { include: ["test/**/*.test.ts"] },
});
