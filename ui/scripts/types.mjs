// Writes the types of the services' answers from their OpenAPI documents, which `openapi.py` beside this file writes.
import openapiTS, { astToString } from 'openapi-typescript';
import { readFileSync, writeFileSync } from 'node:fs';

const folder = process.argv[2];
if (!folder) throw new Error('usage: node scripts/types.mjs FOLDER (of the documents that scripts/openapi.py wrote)');
for (const role of ['data-owner', 'facilitator', 'model-owner']) {
  const { openapi, info, components } = JSON.parse(readFileSync(`${folder}/${role}.json`, 'utf8'));
  // What routes answer with: the pages name routes themselves.
  const schemas = { openapi, info, paths: {}, components: { schemas: components.schemas } };
  const types = astToString(await openapiTS(schemas, { alphabetize: true }));
  const heading = `// What the ${role}'s routes answer with, written by scripts/types.mjs from its OpenAPI document.\n`;
  writeFileSync(new URL(`../src/lib/api/${role}.d.ts`, import.meta.url), heading + types);
}
