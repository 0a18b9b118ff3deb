// The chain over all that an owner released and decided, recomputed from what the service shows of it.
import type { components } from '$lib/api/data-owner';
import { hex, sha256 } from './bytes';

export type Audit = components['schemas']['Audit'];
export type AuditRecord = Audit['records'][number];

const NO_RECORD = '0'.repeat(64);

/** The head after every hash was recomputed; `broken`: the first record that does not hold, null for none. */
export async function verifyAudit(audit: Audit): Promise<{ head: string; broken: number | null }> {
  let head = NO_RECORD;
  for (const [index, record] of audit.records.entries()) {
    const { hash, ...content } = record;
    const own = hex(await sha256(new TextEncoder().encode(canonical(content))));
    if (record.index !== index || record.previous !== head || hash !== own) return { head, broken: index };
    head = own;
  }
  return { head, broken: head === audit.head ? null : audit.records.length };
}

/** JSON as the service hashes it: keys in order, nothing that is null, ASCII alone. Its numbers are whole: others are text. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const fields = Object.entries(value)
      .filter(([, one]) => one !== null)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, one]) => `${canonical(name)}:${canonical(one)}`);
    return `{${fields.join(',')}}`;
  }
  return JSON.stringify(value).replaceAll(/[\u007f-\uffff]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
