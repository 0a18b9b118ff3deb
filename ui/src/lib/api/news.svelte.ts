import { BY_ITSELF } from './client';
import { listen } from './live';
import { service } from './service.svelte';

/** What a service tells changes of. */
type Topic = 'jobs' | 'requests' | 'federation';

interface Listener {
  topic: Topic;
  changed: () => void;
  at: number;
  timer?: ReturnType<typeof setTimeout> | undefined;
}

/** What changes often is asked for no more often than this. */
const APART_MS = 3000;

/** News of what a page shows, by one stream, however many parts of the page want to know. */
class News {
  /** False where nothing is heard from the service: what is shown may be old. */
  heard = $state(true);
  #listeners = new Set<Listener>();
  #editions: Record<string, unknown> = {};
  #path = '';
  #stop = (): void => {};

  /** Have `changed` called when there is something new, until the function that is returned is. For an effect. */
  of(topic: Topic, changed: () => void): () => void {
    const one: Listener = { topic, changed, at: 0 };
    this.#listeners.add(one);
    queueMicrotask(() => this.#listen());
    return () => {
      clearTimeout(one.timer);
      this.#listeners.delete(one);
      queueMicrotask(() => this.#listen());
    };
  }

  /** Make the stream the one of what is wanted now. It begins with all editions, so that nothing is missed. */
  #listen(): void {
    const topics = [...new Set([...this.#listeners].map((one) => one.topic))].sort();
    const path = topics.length ? `changes?${topics.map((topic) => `about=${topic}`).join('&')}` : '';
    if (path === this.#path) return;
    this.#stop();
    this.#path = path;
    this.#editions = {};
    this.heard = true;
    this.#stop = path
      ? listen(path, ['changed'], {
          open: (is) => {
            if (is && !this.heard) this.#again();
            this.heard = is;
          },
          event: (_, editions) => this.#hear(editions),
          refused: () => this.#again(),
        })
      : () => {};
  }

  /** Ask for everything: a service that was started again, or refuses, may know this person's session no more. */
  #again(): void {
    service.load(BY_ITSELF).catch(() => undefined); // what the page itself asks for tells why
    for (const one of this.#listeners) soon(one);
  }

  #hear(editions: Record<string, unknown>): void {
    const before = this.#editions;
    this.#editions = editions;
    for (const one of this.#listeners) {
      const edition = editions[one.topic] ?? null;
      if (edition !== null && edition !== before[one.topic]) soon(one);
    }
  }
}

function soon(one: Listener): void {
  one.timer ??= setTimeout(
    () => {
      one.timer = undefined;
      one.at = Date.now();
      one.changed();
    },
    Math.max(0, one.at + APART_MS - Date.now()),
  );
}

export const news = new News();
