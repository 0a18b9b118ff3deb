import { ask } from './client';
import type { components } from './facilitator';

export type About = components['schemas']['ServiceIdentity'];
export type Session = components['schemas']['SessionView'];

/** Whose pages these are, and what the person before them may do. */
class Service {
  about = $state.raw<About | undefined>();
  session = $state.raw<Session | undefined>();
  #asked = 0;

  /** Whether the person before the pages has a permission, by its name in `GET /session`. */
  may(permission: string): boolean {
    return this.session?.may.includes(permission) ?? false;
  }

  /** Ask anew. Of answers that overtake each other, as around a sign-in, the one to the latest question counts. */
  async load(headers: Record<string, string> = {}): Promise<void> {
    const turn = ++this.#asked;
    const [about, session] = await Promise.all([ask<About>('identity', { headers }), ask<Session>('session', { headers })]);
    if (turn === this.#asked) [this.about, this.session] = [about, session];
  }
}

export const service = new Service();
