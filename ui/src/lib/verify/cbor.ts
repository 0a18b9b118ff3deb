// The one encoding of CBOR (RFC 8949, section 4.2.1) that messages have: what means the same is the same bytes.
import type { Bytes } from './bytes';

export type Plain = null | boolean | number | string | Bytes | Plain[] | { [key: string]: Plain };

class Reader {
  at = 0;
  constructor(private readonly data: Bytes) {}

  value(depth: number): Plain {
    if (depth > 8) throw new Error('nested too deep');
    const [major, argument] = this.head();
    if (major === 0) return argument;
    if (major === 1) return -1 - argument;
    if (major === 2) return this.bytes(argument);
    if (major === 3) return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.bytes(argument));
    if (major === 4) return Array.from({ length: this.count(argument) }, () => this.value(depth + 1));
    if (major === 5) {
      const found: [string, Plain][] = [];
      for (let left = this.count(argument); left > 0; left--) {
        const name = this.value(depth + 1);
        if (typeof name !== 'string') throw new Error('a name is not text');
        found.push([name, this.value(depth + 1)]);
      }
      return Object.fromEntries(found);
    }
    if (major === 7 && argument === 20) return false;
    if (major === 7 && argument === 21) return true;
    if (major === 7 && argument === 22) return null;
    throw new Error('a type that no message has');
  }

  private count(announced: number): number {
    if (announced > this.data.length - this.at) throw new Error('more items than bytes');
    return announced;
  }

  private bytes(length: number): Bytes {
    if (length > this.data.length - this.at) throw new Error('it ends too early');
    this.at += length;
    return this.data.slice(this.at - length, this.at);
  }

  private head(): [number, number] {
    const first = this.bytes(1)[0]!;
    const info = first & 31;
    if (info < 24) return [first >> 5, info];
    if (info > 27) throw new Error('an indefinite length');
    let argument = 0;
    for (const byte of this.bytes(1 << (info - 24))) argument = argument * 256 + byte;
    if (!Number.isSafeInteger(argument) || first >> 5 === 7) throw new Error('a number that no message has');
    return [first >> 5, argument];
  }
}

/** The value that `data` encodes. Throws for anything but its one encoding. */
export function decode(data: Bytes): Plain {
  const reader = new Reader(data);
  const value = reader.value(0);
  const again = encode(value);
  if (again.length !== data.length || again.some((byte, at) => byte !== data[at])) throw new Error('not the one encoding');
  return value;
}

/** The one encoding of a value. */
export function encode(value: Plain): Bytes {
  if (value === null) return Uint8Array.of(0xf6);
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xf5 : 0xf4);
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') {
    const text = new TextEncoder().encode(value);
    return joined([head(3, text.length), text]);
  }
  if (value instanceof Uint8Array) return joined([head(2, value.length), value]);
  if (Array.isArray(value)) return joined([head(4, value.length), ...value.map(encode)]);
  const fields = Object.entries(value).map(([name, one]): [Bytes, Bytes] => [encode(name), encode(one)]);
  fields.sort(([a], [b]) => a.length - b.length || order(a, b));
  return joined([head(5, fields.length), ...fields.flat()]);
}

function order(a: Bytes, b: Bytes): number {
  const at = a.findIndex((byte, place) => byte !== b[place]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}

function head(major: number, argument: number): Bytes {
  if (argument < 24) return Uint8Array.of((major << 5) | argument);
  const width = argument < 256 ? 1 : argument < 65536 ? 2 : argument < 2 ** 32 ? 4 : 8;
  const digits = Array.from({ length: width }, (_, at) => Math.floor(argument / 256 ** (width - 1 - at)) % 256);
  return Uint8Array.of((major << 5) | (24 + Math.log2(width)), ...digits);
}

export function joined(parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
