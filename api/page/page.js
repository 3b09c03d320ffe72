// SPDX-License-Identifier: Apache-2.0
// The status page: who is signed in, which view is shown, and what keeps it live.
import {byId, el, say, themeButton} from './dom.js';
import {call, follow, get, path, token} from './client.js';
import {counters, Rates} from './metrics.js';
import {Overview} from './overview.js';
import {UserView} from './user.js';

const TICK = 2000;
const MINUTES = 3;
const TYPES = ['binding.created', 'binding.removed', 'user.created', 'user.updated', 'user.deleted',
  'domain.created', 'domain.updated', 'domain.deleted'];

const context = {
  rates: new Rates((MINUTES * 60000) / TICK),
  minutes: MINUTES,
  admin: false,
  now: () => Date.now(),
  fail,
};
let view = null;
let unfollow = null;
let timer = null;

function live(state, text) {
  byId('live').dataset.state = state;
  byId('live-text').textContent = text;
}

function fail(error) {
  if (error.status === 401 || error.status === 403 && !context.admin) signIn(error.status === 401 && token.get() ? 'This token is not right.' : '');
  else {
    live('wait', error.message);
    say(error.message);
  }
}

// ---- Views

function show(next) {
  view?.stop();
  view = next;
  byId('main').replaceChildren(...next.nodes);
  next.start().catch(fail);
}

function route() {
  if (!unfollow) return; // not signed in
  const [kind, domain, username] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  show(kind === 'users' && domain && username ? new UserView(context, domain, username) : new Overview(context));
  document.title = kind === 'users' && username ? `${username}@${domain} · rollcall` : 'rollcall';
}

// ---- Live

async function tick() {
  timer = setTimeout(tick, TICK);
  if (document.hidden) return;
  try {
    const [stats, metrics] = await Promise.all([get('v1/stats'), get('metrics')]);
    context.rates.add(performance.now(), counters(metrics));
    view?.tick(stats);
  } catch (error) {
    if (unfollow) fail(error);
  }
}

function run() {
  stop();
  byId('sign-out').hidden = !token.get();
  unfollow = follow(TYPES, (event) => view?.event(event), (state) => {
    if (state === 'refused') signIn('');
    else live(state, state === 'on' ? 'live' : 'reconnecting');
  });
  tick();
  route();
}

function stop() {
  unfollow?.();
  unfollow = null;
  clearTimeout(timer);
  view?.stop();
  view = null;
}

// ---- Signing in

// An empty change is no change, but only an admin may ask for it.
async function mayChange() {
  const {domains} = await get('v1/domains?limit=1');
  if (!domains.length) return true;
  try {
    await call('PATCH', `v1/${path('domains', domains[0].domain)}`, {});
    return true;
  } catch (error) {
    return error.status !== 403;
  }
}

// Not reachable, or still starting: again, until it is.
async function begin() {
  try {
    await enter();
  } catch (error) {
    fail(error);
    if (error.status !== 401 && error.status !== 403) setTimeout(begin, TICK);
  }
}

async function enter() {
  await get('v1/stats');
  context.admin = await mayChange();
  run();
}

function signIn(wrong) {
  stop();
  token.clear();
  byId('sign-out').hidden = true;
  live('off', 'signed out');
  const input = el('input', {type: 'password', id: 'token', name: 'token', required: true, autocomplete: 'current-password',
    'aria-describedby': 'token-wrong'});
  const message = el('p', {class: 'wrong', id: 'token-wrong', role: 'alert'}, wrong);
  const submit = async (event) => {
    event.preventDefault();
    token.set(input.value.trim());
    try {
      await enter();
    } catch (error) {
      token.clear();
      message.textContent = error.status === 401 ? 'This token is not right.' : error.message;
      input.select();
    }
  };
  byId('main').replaceChildren(el('section', {class: 'card sign-in', 'aria-labelledby': 'sign-in-title'},
    el('h1', {id: 'sign-in-title'}, 'Sign in'),
    el('p', {class: 'muted'}, 'With a token of this registrar. The admin token may change things, the read token may look. ' +
      'It is kept until this tab is closed.'),
    el('form', {onsubmit: submit}, el('label', {for: 'token'}, 'Token'), input, message,
      el('button', {type: 'submit', class: 'main'}, 'Sign in'))));
  input.focus();
}

themeButton(byId('theme'));
byId('sign-out').addEventListener('click', () => signIn(''));
addEventListener('hashchange', () => {
  route();
  document.querySelector('main h1')?.focus();
});
begin();
