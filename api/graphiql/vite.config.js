import { defineConfig } from 'vite';

export default defineConfig({
  // Portal serves the page at /graphiql, so every address in it starts there.
  base: '/graphiql/',
  build: {
    // Every asset is a file of its own: the policy of the page knows 'self'
    // and, for fonts and images only, data:.
    assetsInlineLimit: 0,
    // All browsers that run Monaco preload modules themselves.
    modulePreload: { polyfill: false },
    // The licences of the packages ask for their text to go along with copies.
    license: { fileName: 'licenses.md' },
    // Monaco is large; splitting it further gains nothing on this page.
    chunkSizeWarningLimit: 8000,
    reportCompressedSize: false,
    // "use client" and the like mean nothing here, and nearly every file of
    // the packages would be reported for it.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
});
