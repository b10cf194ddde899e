import type { ClientRequest } from "node:http";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `make ui` serves the sources with hot reload, and hands what is asked of the API to a running server.
const server = process.env["DALSEGNO_UI_SERVER"] ?? "http://127.0.0.1:4200";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      "/api": {
        target: server,
        changeOrigin: true,
        configure: (proxy) => {
          // To the server this is its own page: it takes nothing from others.
          proxy.on("proxyReq", (request: ClientRequest) => request.removeHeader("origin"));
        },
      },
    },
  },
});
