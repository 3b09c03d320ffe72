// SPDX-License-Identifier: Apache-2.0
// The three lists of the overview: each says what it asks for and how a row looks.
import {el} from './dom.js';
import {get, path, query} from './client.js';
import {ago, until, localTime} from './words.js';

const PAGE = 25;

export function userHref(domain, username) {
  return `#/users/${path(domain, username)}`;
}

/** The user part of an AoR and its domain, unescaped. */
export function readAor(aor) {
  const at = aor.lastIndexOf('@');
  const user = aor.slice('sip:'.length, at);
  try {
    return {username: decodeURIComponent(user), domain: aor.slice(at + 1)};
  } catch {
    return {username: user, domain: aor.slice(at + 1)};
  }
}

function userLink(domain, username) {
  return el('a', {href: userHref(domain, username)}, `${username}@${domain}`);
}

export function timeCell(time, text) {
  return el('time', {datetime: time, title: localTime(time)}, text);
}

const bindings = {
  title: 'Registered',
  empty: 'Nobody is registered.',
  columns: [{title: 'User', class: 'user'}, {title: 'Phone'}, {title: 'From', class: 'mono'}, {title: 'Over'},
    {title: 'Since', class: 'now'}, {title: 'Expires', class: 'now'}],
  async read({domain, prefix, cursor}) {
    const page = await get(`v1/bindings${query({domain, user_prefix: prefix, cursor, limit: PAGE})}`);
    return {items: page.bindings, next: page.next_cursor};
  },
  row(b, now) {
    const {username, domain} = readAor(b.aor);
    return {key: `${b.aor} ${b.id}`, cells: [userLink(domain, username), b.user_agent ?? '', b.source,
      b.transport.toUpperCase(), timeCell(b.registered_at, ago(b.registered_at, now)),
      timeCell(b.expires_at, until(b.expires_at, now))]};
  },
};

const users = {
  title: 'All users',
  empty: 'No such user.',
  wantsDomain: true,
  columns: [{title: 'User', class: 'user'}, {title: 'Name'}, {title: 'State'}, {title: 'Last registered', class: 'now'}],
  async read({domain, prefix, cursor}) {
    const page = await get(`v1/domains/${path(domain)}/users${query({prefix, cursor, limit: PAGE})}`);
    return {items: page.users, next: page.next_cursor};
  },
  row(u, now) {
    const state = !u.enabled ? el('span', {class: 'tag bad'}, 'disabled')
      : u.registered ? el('span', {class: 'tag good'}, u.binding_count > 1 ? `${u.binding_count} phones` : 'registered')
        : el('span', {class: 'tag'}, 'not registered');
    return {key: u.aor, cells: [userLink(u.domain, u.username), u.display_name ?? '', state,
      u.last_registered_at ? timeCell(u.last_registered_at, ago(u.last_registered_at, now)) : 'never']};
  },
};

const strangers = {
  title: 'Unknown',
  empty: 'Nobody has tried a name that is not provisioned.',
  wantsDomain: true,
  columns: [{title: 'Tried as', class: 'user'}, {title: 'Why not'}, {title: 'From', class: 'mono'}, {title: 'Phone'},
    {title: 'Times'}, {title: 'Last', class: 'now'}],
  async read({domain, prefix}) {
    const {attempts} = await get(`v1/domains/${path(domain)}/attempts`);
    return {items: attempts.filter((a) => readAor(a.aor).username.startsWith(prefix)), next: null};
  },
  row(a, now) {
    const {username, domain} = readAor(a.aor);
    return {key: `${a.aor} ${a.source} ${a.reason}`, cells: [`${username}@${domain}`, a.detail, a.source,
      a.user_agent ?? '', a.count, timeCell(a.at, ago(a.at, now))]};
  },
};

export const LISTS = {bindings, users, strangers};
