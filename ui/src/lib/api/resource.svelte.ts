import { ask, BY_ITSELF, Failure } from './client';

/** What a route answers, as a page shows it: still loading, there, or why it is not there. */
export class Resource<T> {
  value = $state.raw<T | undefined>();
  failure = $state.raw<Failure | undefined>();
  loading = $state(true);
  #asked = 0;

  constructor(private readonly path: string) {
    void this.load();
  }

  /** Ask again without a person's doing. */
  refresh(): Promise<void> {
    return this.load(BY_ITSELF);
  }

  /** Ask again; what was there stays until the answer is. */
  async load(headers: Record<string, string> = {}): Promise<void> {
    const turn = ++this.#asked;
    this.loading = true;
    try {
      const value = await ask<T>(this.path, { headers });
      if (turn !== this.#asked) return;
      this.value = value;
      this.failure = undefined;
    } catch (error) {
      if (turn !== this.#asked) return;
      this.failure = Failure.of(error);
    } finally {
      if (turn === this.#asked) this.loading = false;
    }
  }
}
