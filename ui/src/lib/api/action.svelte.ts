import { Failure } from './client';

/** What a person sets going with a button: under way, or why it was refused. */
export class Action {
  busy = $state(false);
  failure = $state.raw<Failure | undefined>();

  /** Do it; true where it went well. What is refused stands in `failure` until the next time. */
  async run(work: () => Promise<unknown>): Promise<boolean> {
    this.busy = true;
    this.failure = undefined;
    try {
      await work();
      return true;
    } catch (error) {
      this.failure = Failure.of(error);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
