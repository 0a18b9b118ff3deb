// A job's log, recomputed by the reader's own machine: hashes, signatures and products. Pure but for what fetches bytes.
import { fromHex, hex, sha256, type Bytes, utf8 } from './bytes';
import { decode, encode, type Plain } from './cbor';
import { t } from '$lib/texts';
import { checkSignature } from './signatures';
import { Unverifiable } from './unverifiable';

export interface SignedDocument {
  document: string;
  signer: string;
  signature: string;
}

/** Where the bytes come from: an entry by its place, evidence by its hash. */
export interface Evidence {
  entries: number;
  requestHash: (index: number) => string | null;
  entry: (index: number) => Promise<Bytes>;
  blob: (hash: string) => Promise<Bytes>;
}

export interface Job {
  manifestHash: string;
  rosterHash: string;
  modelOwner: string;
  facilitator: string;
  modulus: bigint;
  parties: string[];
}

type Fields = { [name: string]: Plain };
const NO_ENTRY = '0'.repeat(64);

const hashOf = async (text: string): Promise<string> => hex(await sha256(utf8(text)));

async function opened(signed: SignedDocument, tag: string, signer: string): Promise<Record<string, unknown>> {
  if (signed.signer !== signer) throw new Error(`the ${tag} is signed by ${signed.signer.slice(0, 16)}…`);
  await checkSignature(signer, tag, utf8(signed.document), fromHex(signed.signature));
  return JSON.parse(signed.document) as Record<string, unknown>;
}

/** What the log belongs to, once manifest, roster and every acceptance were checked. Throws, Unverifiable for a job of another kind. */
export async function openJob(manifest: SignedDocument, roster: SignedDocument, facilitator: string): Promise<Job> {
  const said = await opened(manifest, 'manifest', manifest.signer);
  if (said['model_owner'] !== manifest.signer) throw new Error('the manifest is not signed by the Model Owner that it names');
  // By what the Model Owner signed: were it by the log, a Facilitator could have any log pass as one of these.
  if (said['unmasking_key'] !== undefined) throw new Unverifiable(t.verify.selfMasked);
  const manifestHash = await hashOf(manifest.document);
  const list = await opened(roster, 'roster', facilitator);
  if (list['manifest_hash'] !== manifestHash) throw new Error('the roster belongs to another manifest');
  const parties: string[] = [];
  for (const one of list['entries'] as SignedDocument[]) {
    const acceptance = await opened(one, 'acceptance', one.signer);
    if (acceptance['party'] !== one.signer || acceptance['manifest_hash'] !== manifestHash) {
      throw new Error('an acceptance on the roster is another party’s or job’s');
    }
    parties.push(one.signer);
  }
  if (parties.some((party, at) => at > 0 && party <= parties[at - 1]!)) throw new Error('the roster is out of order, or names an owner twice');
  return {
    manifestHash,
    rosterHash: await hashOf(roster.document),
    modelOwner: manifest.signer,
    facilitator,
    modulus: BigInt(`0x${String(said['modulus'])}`),
    parties,
  };
}

function fields(bytes: Bytes): Fields {
  const value = decode(bytes);
  if (value === null || typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array) throw new Error('no message');
  return value;
}

function same(given: Plain[], due: Plain[], why: string): void {
  if (given.length !== due.length || given.some((one, at) => (one ?? null) !== (due[at] ?? null))) throw new Error(why);
}

/** Verify entry after entry; returns the head. The first that fails, or is Unverifiable, is named in what is thrown. */
export async function verifyLog(job: Job, from: Evidence, progress: (done: number) => void): Promise<string> {
  if (from.entries === 0) throw new Error('The log is empty.');
  let head = NO_ENTRY;
  for (let index = 0; index < from.entries; index++) {
    try {
      const bytes = await from.entry(index);
      if (index === 0) openLog(job, fields(bytes));
      else await verifySum(job, from, index, head, fields(bytes));
      head = hex(await sha256(bytes));
    } catch (error) {
      const why = `Log entry ${index}: ${error instanceof Error ? error.message : String(error)}`;
      throw error instanceof Unverifiable ? new Unverifiable(why, error.problem) : new Error(why);
    }
    progress(index + 1);
  }
  return head;
}

function openLog(job: Job, entry: Fields): void {
  same(
    [entry['index'], entry['previous'], entry['manifest_hash'], entry['roster_hash'], entry['round'], entry['product_hash']].map((one) => one ?? null),
    [0, NO_ENTRY, job.manifestHash, job.rosterHash, 0, null],
    'it does not open a log of this manifest and roster',
  );
  if ((entry['answers'] as Plain[]).length) throw new Error('it does not open a log of this manifest and roster');
}

async function blob(from: Evidence, hash: Plain | undefined): Promise<Bytes> {
  if (typeof hash !== 'string') throw new Error('it records no sum');
  const content = await from.blob(hash);
  if (hex(await sha256(content)) !== hash) throw new Error(`the evidence ${hash.slice(0, 16)}… has other bytes than its hash says`);
  return content;
}

async function verifySum(job: Job, from: Evidence, index: number, head: string, entry: Fields): Promise<void> {
  const signed = fields(await blob(from, from.requestHash(index)));
  const body = signed['body'] as Bytes;
  const request = fields(body);
  const asker = request['window_step'] === 0 ? job.modelOwner : job.facilitator;
  if (signed['signer'] !== asker) throw new Error('the request is signed by somebody else than who asks');
  await checkSignature(asker, 'round-request', body, signed['signature'] as Bytes);
  same(
    [request['manifest_hash']!, request['roster_hash']!, request['log_head']!],
    [job.manifestHash, job.rosterHash, head],
    'its request belongs to another job, roster or point of the log',
  );
  const requestHash = hex(await sha256(body));
  same(
    [entry['index']!, entry['previous']!, entry['manifest_hash']!, entry['roster_hash']!, entry['round']!, entry['kind']!, entry['request_hash']!],
    [index, head, job.manifestHash, job.rosterHash, request['round']!, request['kind']!, requestHash],
    'it does not follow the entry before it, or records another request',
  );
  const records = entry['answers'] as Fields[];
  same(records.map((one) => one['party']!), job.parties, 'it does not record one answer of every owner on the roster');
  const vectors: bigint[][] = [];
  for (const record of records) vectors.push(await verifyAnswer(job, from, record, request, requestHash, head));
  const product = await blob(from, entry['product_hash']);
  const sums = ciphertexts(product, job.modulus);
  const square = job.modulus * job.modulus;
  vectors.forEach((vector) => {
    if (vector.length !== sums.length) throw new Error('an answer has another number of ciphertexts than the sum');
  });
  sums.forEach((sum, at) => {
    const due = vectors.reduce((all, vector) => (all * vector[at]!) % square, 1n);
    if (due !== sum) throw new Error('the product of the answers is another ciphertext');
  });
}

async function verifyAnswer(job: Job, from: Evidence, record: Fields, request: Fields, requestHash: string, head: string): Promise<bigint[]> {
  const answer = fields(await blob(from, record['answer_hash']));
  const vector = answer['vector'] as Fields;
  const bytes = vector['ciphertexts'] as Bytes;
  const hash = hex(await sha256(bytes));
  const statement: Plain[] = [job.manifestHash, job.rosterHash, request['round']!, request['kind']!, requestHash, hash, head];
  same(
    [answer['manifest_hash']!, answer['roster_hash']!, answer['round']!, answer['kind']!, answer['request_hash']!, record['ciphertexts_hash']!, answer['log_head']!],
    statement,
    'an answer belongs to another round, request, roster or log',
  );
  if (answer['party'] !== record['party']) throw new Error('an answer is another owner’s');
  if (hex(answer['signature'] as Bytes) !== hex(record['signature'] as Bytes)) throw new Error('it records another signature than the answer’s');
  await checkSignature(String(record['party']), 'round-answer', encode(statement), record['signature'] as Bytes);
  return ciphertexts(bytes, job.modulus);
}

/** Numbers of 2·|n| bits, each invertible modulo n². Throws. */
function ciphertexts(bytes: Bytes, modulus: bigint): bigint[] {
  const square = modulus * modulus;
  const width = Math.ceil(square.toString(16).length / 2);
  if (bytes.length === 0 || bytes.length % width) throw new Error('the ciphertexts have another length');
  return Array.from({ length: bytes.length / width }, (_, at) => {
    const one = BigInt(`0x${hex(bytes.subarray(at * width, (at + 1) * width))}`);
    if (one <= 0n || one >= square || common(one, modulus) !== 1n) throw new Error('a ciphertext is not valid under the job’s key');
    return one;
  });
}

function common(a: bigint, b: bigint): bigint {
  while (b) [a, b] = [b, a % b];
  return a;
}
