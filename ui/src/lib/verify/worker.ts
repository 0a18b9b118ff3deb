// Verifies beside the page, which stays usable meanwhile. It asks the same service that the page came from.
import type { Bytes } from './bytes';
import { openJob, verifyLog, type SignedDocument } from './log';

export type Told =
  | { done: number; of: number }
  | { head: string; entries: number; owners: number }
  | { failed: string };

interface Line {
  index: number;
  signed_request_hash: string | null;
}

async function json<T>(path: string): Promise<T> {
  return (await asked(path)).json() as Promise<T>;
}

async function asked(path: string): Promise<Response> {
  for (;;) {
    const response = await fetch(path);
    if (response.ok) return response;
    if (response.status !== 429) throw new Error(((await response.json()) as { detail: string }).detail);
    await new Promise((later) => setTimeout(later, 1000 * Number(response.headers.get('Retry-After') ?? 1)));
  }
}

const bytes = async (path: string): Promise<Bytes> => new Uint8Array(await (await asked(path)).arrayBuffer());
const tell = (message: Told): void => postMessage(message);

addEventListener('message', async (event: MessageEvent<{ root: string; id: string }>) => {
  const { root, id } = event.data;
  const there = `${root}models/${encodeURIComponent(id)}`;
  try {
    const me = await json<{ party_id: string }>(`${root}identity`);
    const job = await openJob(await json<SignedDocument>(`${there}/manifest`), await json<SignedDocument>(`${there}/roster`), me.party_id);
    const lines = await json<Line[]>(`${there}/log`);
    const head = await verifyLog(
      job,
      {
        entries: lines.length,
        requestHash: (index) => lines[index]?.signed_request_hash ?? null,
        entry: (index) => bytes(`${there}/log/${index}`),
        blob: (hash) => bytes(`${there}/blobs/${hash}`),
      },
      (done) => tell({ done, of: lines.length }),
    );
    tell({ head, entries: lines.length, owners: job.parties.length });
  } catch (error) {
    tell({ failed: error instanceof Error ? error.message : String(error) });
  }
});
