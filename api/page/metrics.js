// SPDX-License-Identifier: Apache-2.0
// Rates of registrations and failures, from the counters of /metrics.

const LINE = /^rollcall_register_total\{outcome="([a-z_]+)",[^}]*\} (\d+)$/gm;
// What is neither: a challenge is the first half of every registration.
const NEITHER = new Set(['challenged', 'success_after_failures', 'api_token_wrong']);

/** {ok, failed}: the counters in a text of /metrics. */
export function counters(text) {
  let ok = 0;
  let failed = 0;
  for (const [, outcome, value] of text.matchAll(LINE)) {
    if (outcome === 'ok') ok += Number(value);
    else if (!NEITHER.has(outcome)) failed += Number(value);
  }
  return {ok, failed};
}

/** Keeps the rates of the last `size` samples. */
export class Rates {
  constructor(size) {
    this.size = size;
    this.samples = [];
    this.last = null;
  }

  /** `now` in milliseconds, of a clock that does not jump. */
  add(now, {ok, failed}) {
    if (this.last && ok >= this.last.ok && now > this.last.now) {
      const s = (now - this.last.now) / 1000;
      this.samples.push({ok: (ok - this.last.ok) / s, failed: Math.max(0, failed - this.last.failed) / s});
      if (this.samples.length > this.size) this.samples.shift();
    }
    this.last = {now, ok, failed};
  }

  get newest() {
    return this.samples.at(-1) ?? {ok: 0, failed: 0};
  }
}

export function rate(value) {
  if (value === 0) return '0';
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString();
}
