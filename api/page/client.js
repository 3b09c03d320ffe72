// SPDX-License-Identifier: Apache-2.0
// The REST API as this page uses it. The token lives in sessionStorage and travels in the
// Authorization header of each call, never in a URL.

const TOKEN = 'rollcall.token';

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? problem?.title ?? `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? '',
  set: (value) => sessionStorage.setItem(TOKEN, value),
  clear: () => sessionStorage.clear(),
};

export function headers(more) {
  return token.get() ? {Authorization: `Bearer ${token.get()}`, ...more} : {...more};
}

/** A path of segments, each escaped. */
export function path(...segments) {
  return segments.map(encodeURIComponent).join('/');
}

export async function call(method, url, body) {
  const response = await fetch(url, {
    method,
    headers: headers(body === undefined ? {} : {'Content-Type': 'application/json'}),
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: 'no-store',
    credentials: 'omit',
  });
  const json = (response.headers.get('Content-Type') ?? '').includes('json');
  const value = json ? await response.json() : await response.text();
  if (!response.ok) throw new ApiError(response.status, json ? value : null);
  return value;
}

export const get = (url) => call('GET', url);

/** A query string of the arguments that have a value. */
export function query(args) {
  const set = Object.entries(args).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return set.length ? `?${new URLSearchParams(set)}` : '';
}

/** Takes pieces of text/event-stream, gives events. */
export function eventParser(onEvent) {
  let rest = '';
  return (piece) => {
    rest += piece.replaceAll('\r\n', '\n');
    let end;
    while ((end = rest.indexOf('\n\n')) >= 0) {
      const event = {type: 'message', id: null, data: ''};
      for (const line of rest.slice(0, end).split('\n')) {
        const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
        if (name === 'event') event.type = value;
        else if (name === 'id') event.id = value;
        else if (name === 'data') event.data += (event.data ? '\n' : '') + value;
      }
      rest = rest.slice(end + 2);
      if (event.data || event.type !== 'message') onEvent(event);
    }
  };
}

const WAIT_FIRST = 1000;
const WAIT_MOST = 15000;

/**
 * Follows the events of these types for ever, resuming where it was. onEvent gets {type, data};
 * {type: 'open'} whenever what came before may have been missed. onState gets 'on', 'wait' or
 * 'refused'. Returns a function that ends it.
 */
export function follow(types, onEvent, onState) {
  const stop = new AbortController();
  let last = null;
  let wait = WAIT_FIRST;

  async function once() {
    const response = await fetch(`v1/events${query({type: types.join(',')})}`, {
      headers: headers(last ? {'Last-Event-ID': last} : {}),
      cache: 'no-store', credentials: 'omit', signal: stop.signal,
    });
    if (response.status === 401 || response.status === 403) return false;
    if (!response.ok) throw new ApiError(response.status, null);
    onState('on');
    wait = WAIT_FIRST;
    if (!last) onEvent({type: 'open'});
    const parse = eventParser((event) => {
      if (event.id) last = event.id;
      onEvent(event.type === 'reset' ? {type: 'open'}
        : {type: event.type, data: event.data ? JSON.parse(event.data) : null});
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) parse(piece.value);
    return true;
  }

  (async () => {
    while (!stop.signal.aborted) {
      try {
        if (!await once()) {
          onState('refused');
          return;
        }
      } catch (error) {
        if (stop.signal.aborted) return;
      }
      onState('wait');
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(wait * 2, WAIT_MOST);
    }
  })();
  return () => stop.abort();
}
