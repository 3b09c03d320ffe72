// SPDX-License-Identifier: Apache-2.0
// Sentences for people: times, and why a user is or is not registered. Pure functions.

function amount(n, unit) {
  return `${n} ${unit}${n === 1 ? '' : 's'}`;
}

/** 12 s, 5 minutes, 3 hours, 2 days. */
export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return amount(s, 'second');
  if (s < 3600) return amount(Math.round(s / 60), 'minute');
  if (s < 48 * 3600) return amount(Math.round(s / 3600), 'hour');
  return amount(Math.round(s / 86400), 'day');
}

export function ago(time, now) {
  const ms = now - Date.parse(time);
  return ms < 1500 ? 'just now' : `${duration(ms)} ago`;
}

export function until(time, now) {
  return `in ${duration(Date.parse(time) - now)}`;
}

export function localTime(time) {
  return new Date(time).toLocaleString(undefined, {dateStyle: 'medium', timeStyle: 'medium'});
}

/** The time of day, with the day where it is another one than today. */
export function clock(time, now) {
  const day = new Date(time).toDateString() === new Date(now).toDateString() ? undefined : 'medium';
  return new Date(time).toLocaleString(undefined, {dateStyle: day, timeStyle: 'short'});
}

/** What helps, by the reason of an attempt. */
const HINTS = {
  wrong_password: 'The phone has another password than was provisioned. Set it anew on both sides.',
  unknown_user: 'The phone uses a name that nobody has provisioned. Compare the user name in the phone.',
  disabled_user: 'Enable the user to let the phone in.',
  not_allowed_for_aor: 'The phone has the login of another user. Compare its authentication name.',
  stale_nonce: 'The phone answered an old challenge; most try again by themselves with the new one.',
  replayed_nonce: 'The phone used a nonce count twice. Restart it; if it goes on, its firmware is at fault.',
  bad_credentials: 'The realm, the algorithm or the address in the credentials is not the one asked for.',
  unknown_domain: 'The phone names a domain that is not here. Compare its domain setting.',
  malformed: 'The phone sends messages that cannot be read. Look for newer firmware.',
  cseq_out_of_order: 'The phone counts backwards, as some do after a restart. It gets in when its old binding ends.',
  interval_too_brief: 'The phone asks for a shorter interval than is allowed. Raise the expiry in the phone.',
  too_many_bindings: 'There is no room for another phone. Unregister one, or raise max_bindings.',
  extension_required: 'The phone insists on a SIP extension that this registrar does not have.',
  too_large: 'The phone sends messages that are too large.',
  rate_limited: 'The phone, or its network, sends too much. It gets in when it slows down.',
  banned: 'Its network is shut out for a while, after too many failures. An admin can lift the ban.',
  overloaded: 'The registrar has more to do than it can. The phone is asked to try again.',
  store_unavailable: 'The registrar could not write. See its log and /readyz.',
};

export function hint(reason) {
  return HINTS[reason] ?? '';
}

function phones(name, bindings, now) {
  if (bindings.length > 1) return `${name} is registered with ${bindings.length} phones.`;
  const [b] = bindings;
  const agent = b.user_agent ? ` with ${b.user_agent}` : '';
  const gone = b.unreachable ? ' Its connection is closed, so calls will not reach it until it comes back.' : '';
  return `${name} is registered from ${b.source} over ${b.transport.toUpperCase()}${agent}, ` +
    `for another ${duration(Date.parse(b.expires_at) - now)}.${gone}`;
}

function failed(name, attempt, now) {
  const times = attempt.count > 1 ? ` It has failed ${attempt.count} times since ${clock(attempt.first_at, now)}.` : '';
  return `${name} is not registered: the last attempt, ${ago(attempt.at, now)} from ${attempt.source}, ` +
    `failed: ${attempt.detail}.${times}`;
}

/**
 * The state of a user in a sentence, and what helps: {tone, text, hint}. `attempts` has the newest
 * first.
 */
export function explain(user, bindings, attempts, now) {
  const name = user.display_name || user.username;
  const last = attempts.find((a) => a.reason !== 'challenged');
  const bad = last && last.reason !== 'ok' ? last : null;
  if (bindings.length) {
    const newer = bad ? `Since then an attempt ${ago(bad.at, now)} from ${bad.source} failed: ${bad.detail}. ` +
      hint(bad.reason) : '';
    return {tone: 'good', text: phones(name, bindings, now), hint: newer};
  }
  if (!user.enabled) {
    return {tone: 'bad', text: `${name} is disabled, so no phone can register.`, hint: hint('disabled_user')};
  }
  if (!user.algorithms.length) {
    return {tone: 'bad', text: `${name} has no password, so no phone can register.`,
      hint: 'Provision one with PUT or PATCH.'};
  }
  if (bad) return {tone: 'bad', text: failed(name, bad, now), hint: hint(bad.reason)};
  if (user.last_registered_at) {
    return {tone: 'warn', text: `${name} is not registered: the last registration, ${ago(user.last_registered_at, now)}, ` +
      'has ended and no phone has tried since.',
    hint: 'The phone has signed off, is switched off, or cannot reach this server.'};
  }
  return {tone: 'warn', text: `${name} is not registered: no phone has tried so far.`,
    hint: 'Compare the server address in the phone, and whether its network lets SIP through.'};
}
