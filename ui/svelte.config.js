import adapter from '@sveltejs/adapter-static';

/** @type {import('@sveltejs/kit').Config} */
export default {
  kit: {
    // One document at `/`, whatever the page: the services' routes stay where they are.
    adapter: adapter({ pages: 'build', assets: 'build', fallback: 'index.html' }),
    router: { type: 'hash' },
    appDir: 'pages',
    // Else it is the time, and no two builds would have the same bytes.
    version: { name: 'pages' },
  },
};
