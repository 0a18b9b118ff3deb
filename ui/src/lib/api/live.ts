// Streams of events. They outlive a restart of the service, and say when nothing is heard.

export interface Live {
  /** An event by its name. Those of rounds carry the round's numbers. */
  event: (name: string, data: Record<string, unknown>) => void;
  /** Whether the stream is open: what is on the page may be stale where it is not. */
  open: (isOpen: boolean) => void;
  /** The service answered with no stream, and is tried again: what it says of the page tells why. */
  refused?: () => void;
}

const AGAIN_MS = 2000;
const LONGEST_AGAIN_MS = 30_000;
const ENDED = new Set(['FINISHED', 'FAILED', 'CANCELLED']);

/**
 * Hear the events of these names until the function that is returned is called.
 *
 * A tab that is not looked at hears nothing: a browser keeps six connections to a service, for all of its tabs together,
 * and the seventh stream would leave none to ask by. Looked at again, it hears everything from the start.
 */
export function listen(path: string, names: string[], live: Live): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let againMs = AGAIN_MS;

  function start(): void {
    source = new EventSource(path);
    source.onopen = () => {
      againMs = AGAIN_MS;
      live.open(true);
    };
    source.onerror = () => {
      live.open(false);
      // A browser tries again by itself only where nothing was answered; after a refusal it is for the page to.
      if (source?.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(start, againMs);
      againMs = Math.min(2 * againMs, LONGEST_AGAIN_MS);
      live.refused?.();
    };
    for (const name of names) {
      source.addEventListener(name, (message) => live.event(name, JSON.parse((message as MessageEvent<string>).data)));
    }
  }

  function stop(): void {
    clearTimeout(timer);
    if (source) source.onerror = null;
    source?.close();
  }

  function look(): void {
    stop();
    if (!document.hidden) start();
  }

  document.addEventListener('visibilitychange', look);
  look();
  return () => {
    document.removeEventListener('visibilitychange', look);
    stop();
  };
}

/** Follow a job's events until it ends; the function that is returned stops it. */
export function follow(path: string, live: Live): () => void {
  const stop = listen(path, ['round', 'status', 'window', 'training'], {
    ...live,
    event: (name, data) => {
      if (name === 'status' && ENDED.has(String(data['status']))) stop();
      live.event(name, data);
    },
  });
  return stop;
}
