// Calls to the service that these pages come from. Addresses are relative: no page asks another party.
import { t } from '$lib/texts';

/** Said of what a page asks without a person's doing, so that a session's idle time runs on. */
export const BY_ITSELF = { 'Fedtrain-By-Itself': '1' };

export interface FieldError {
  field: string;
  message: string;
  value?: unknown;
}

/** A problem document (RFC 9457), as every service answers what it refuses. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  remedy: string;
  errors?: FieldError[];
  [more: string]: unknown;
}

/** What the service refused, as its problem says; or, where `problem` is undefined, what else went wrong. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly problem?: Problem,
  ) {
    super(message);
  }

  /** An error as a failure: those of another kind say what they say. */
  static of(error: unknown): Failure {
    return error instanceof Failure ? error : new Failure(error instanceof Error ? error.message : String(error));
  }
}

/** Nothing came from the service. */
export class Unreached extends Failure {
  constructor() {
    super(t.problem.unreached);
  }
}

export interface Sent {
  method?: string;
  json?: unknown;
  body?: BodyInit;
  type?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** The answer to a request. Throws Failure. */
export async function answer(path: string, sent: Sent = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json', ...sent.headers };
  if (sent.json !== undefined) headers['Content-Type'] = 'application/json';
  if (sent.type) headers['Content-Type'] = sent.type;
  const body = sent.json !== undefined ? JSON.stringify(sent.json) : sent.body;
  let response: Response;
  try {
    response = await fetch(path, {
      method: sent.method ?? 'GET',
      headers,
      credentials: 'same-origin',
      ...(body === undefined ? {} : { body }),
      ...(sent.signal ? { signal: sent.signal } : {}),
    });
  } catch (error) {
    if (sent.signal?.aborted) throw error;
    throw new Unreached();
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** The JSON that a route answers with. Throws Failure. */
export async function ask<T>(path: string, sent: Sent = {}): Promise<T> {
  const response = await answer(path, sent);
  try {
    return (response.status === 204 ? undefined : await response.json()) as T;
  } catch (error) {
    if (sent.signal?.aborted) throw error;
    throw error instanceof SyntaxError ? new Failure(t.problem.notJson) : new Unreached();
  }
}

export function problemIn(text: string, status: number): Failure {
  try {
    const problem = JSON.parse(text) as Problem;
    if (typeof problem.title === 'string') return new Failure(problem.title, problem);
  } catch {
    // Not JSON: it is not this service that answered.
  }
  return new Failure(t.problem.notTheService(status));
}

/** Why the service refused. */
export async function refusal(response: Response): Promise<Failure> {
  return problemIn(await response.text(), response.status);
}
