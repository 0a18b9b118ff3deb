// Puts what was built where the services find it, with its start script in a file: their policy allows none in a page.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const built = fileURLToPath(new URL('../build/', import.meta.url));
const place = fileURLToPath(new URL('../../fedtrain/service/pages/built/', import.meta.url));
const page = readFileSync(`${built}index.html`, 'utf8');
const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)];
if (scripts.length !== 1) throw new Error(`index.html has ${scripts.length} scripts, and one is looked for`);
const [whole, start] = scripts[0];
rmSync(place, { recursive: true, force: true });
mkdirSync(place, { recursive: true });
cpSync(`${built}pages`, `${place}pages`, { recursive: true });
// Nothing begins with a slash, so that a proxy may serve the pages below a path. A file's imports start at the file.
const lines = start.replaceAll('"/pages/', '"./').split('\n').map((line) => line.replace(/^\t+/, ''));
writeFileSync(`${place}pages/start.js`, `${lines.join('\n').trim()}\n`);
const started = page.replace(whole, '<script src="pages/start.js"></script>').replaceAll('"/pages/', '"pages/');
writeFileSync(`${place}index.html`, started);
