// A job as it goes on. One stream a page; it outlives a restart of the service, and says when it hears nothing.

export interface Live {
  /** An event: "round", "status", "window" or "training". Those of rounds carry the round's numbers. */
  event: (name: string, data: Record<string, unknown>) => void;
  /** Whether the stream is open: what is on the page may be stale where it is not. */
  open: (isOpen: boolean) => void;
}

const AGAIN_MS = 2000;
const ENDED = new Set(['FINISHED', 'FAILED', 'CANCELLED']);

/** Follow a stream of events until the job ends; the function that is returned stops it. */
export function follow(path: string, live: Live): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let over = false;

  function start(): void {
    source = new EventSource(path);
    source.onopen = () => live.open(true);
    source.onerror = () => {
      if (over) return;
      live.open(false);
      // A browser tries again by itself only where nothing was answered; after a refusal it is for the page to.
      if (source?.readyState === EventSource.CLOSED) timer = setTimeout(start, AGAIN_MS);
    };
    for (const name of ['round', 'status', 'window', 'training']) {
      source.addEventListener(name, (message) => {
        const data = JSON.parse((message as MessageEvent<string>).data) as Record<string, unknown>;
        if (name === 'status' && ENDED.has(String(data['status']))) stop();
        live.event(name, data);
      });
    }
  }

  function stop(): void {
    over = true;
    clearTimeout(timer);
    source?.close();
  }

  start();
  return stop;
}
