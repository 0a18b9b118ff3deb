// Verifies beside the page, which stays usable meanwhile. It asks the same service that the page came from.
import { t } from '$lib/texts';
import type { Bytes } from './bytes';
import { openJob, verifyLog, type SignedDocument } from './log';
import { Unverifiable } from './unverifiable';

export type Told =
  | { done: number; of: number }
  | { head: string; entries: number; owners: number }
  | { failed: string }
  | { unverified: string };

interface Line {
  index: number;
  signed_request_hash: string | null;
}

/** What `read` makes of an answer. What does not come shows nothing of the log. */
async function asked<T>(path: string, read: (response: Response) => Promise<T>): Promise<T> {
  for (;;) {
    let response: Response;
    try {
      response = await fetch(path);
      if (response.ok) return await read(response);
    } catch (error) {
      throw new Unverifiable(error instanceof SyntaxError ? t.verify.notJson : t.verify.away);
    }
    if (response.status !== 429) throw await refusal(response);
    await new Promise((later) => setTimeout(later, 1000 * Number(response.headers.get('Retry-After') ?? 1)));
  }
}

async function refusal(response: Response): Promise<Unverifiable> {
  let problem: { type?: string; detail?: string } = {};
  try {
    problem = (await response.json()) as typeof problem;
  } catch {
    // Not the service's own answer.
  }
  const why = problem.detail?.replace(/\.$/, '') ?? t.verify.refused(response.status);
  return new Unverifiable(why, problem.type);
}

const json = <T>(path: string): Promise<T> => asked(path, (response) => response.json() as Promise<T>);
/** What the log names and the service says it never had is missing from the log; all else that is refused may be there. */
async function blob(path: string): Promise<Bytes> {
  try {
    return await bytes(path);
  } catch (error) {
    throw error instanceof Unverifiable && error.problem === '/problems/not-found' ? new Error(error.message) : error;
  }
}

const bytes = (path: string): Promise<Bytes> => asked(path, async (response) => new Uint8Array(await response.arrayBuffer()));
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
        blob: (hash) => blob(`${there}/blobs/${hash}`),
      },
      (done) => tell({ done, of: lines.length }),
    );
    tell({ head, entries: lines.length, owners: job.parties.length });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    tell(error instanceof Unverifiable ? { unverified: why } : { failed: why });
  }
});
