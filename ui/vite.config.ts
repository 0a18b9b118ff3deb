import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [sveltekit()],
  worker: { format: 'es' },
  // A file within a file would be a data: address, which the services' policy lets no script come from.
  build: { assetsInlineLimit: 0, target: 'es2022' },
});
