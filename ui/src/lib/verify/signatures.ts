import { fromHex, type Bytes } from './bytes';
import { t } from '$lib/texts';
import { joined } from './cbor';
import { Unverifiable } from './unverifiable';

// y of the points whose order divides 8: under such a key one signature holds for every message.
const P = 2n ** 255n - 19n;
const EIGHTH = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const SMALL_ORDER = new Set([0n, 1n, P - 1n, EIGHTH, P - EIGHTH]);
const keys = new Map<string, Promise<CryptoKey>>();

function keyOf(party: string): Promise<CryptoKey> {
  let key = keys.get(party);
  if (!key) {
    const bytes = fromHex(party);
    const y = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n) & ((1n << 255n) - 1n);
    if (bytes.length !== 32 || y >= P || SMALL_ORDER.has(y)) throw new Error(`${party.slice(0, 16)}… is nobody's key alone`);
    key = crypto.subtle.importKey('raw', bytes, 'Ed25519', false, ['verify']).catch((error: unknown) => {
      throw (error as Error).name === 'NotSupportedError' ? new Unverifiable(t.verify.noEd25519) : error;
    });
    keys.set(party, key);
  }
  return key;
}

/** Throws unless `party` signed exactly this, under this tag; Unverifiable in a browser that cannot tell. */
export async function checkSignature(party: string, tag: string, body: Bytes, signature: Bytes): Promise<void> {
  const name = new TextEncoder().encode(`federated-trainer/1 ${tag}`);
  const whole = joined([Uint8Array.of(name.length >> 8, name.length & 255), name, body]);
  if (!(await crypto.subtle.verify('Ed25519', await keyOf(party), signature, whole))) {
    throw new Error(`the ${tag} is not signed by ${party.slice(0, 16)}…, who it says sent it`);
  }
}
