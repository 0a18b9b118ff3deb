import { ask } from './client';
import type { components } from './facilitator';

export type About = components['schemas']['ServiceIdentity'];
export type Session = components['schemas']['SessionView'];

/** Whose pages these are, and what the person before them may do. */
class Service {
  about = $state.raw<About | undefined>();
  session = $state.raw<Session | undefined>();

  /** Whether the person before the pages has a permission, by its name in `GET /session`. */
  may(permission: string): boolean {
    return this.session?.may.includes(permission) ?? false;
  }

  async load(): Promise<void> {
    [this.about, this.session] = await Promise.all([ask<About>('identity'), ask<Session>('session')]);
  }
}

export const service = new Service();
