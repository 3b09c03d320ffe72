// SPDX-License-Identifier: Apache-2.0
// One user: the state in a sentence, bindings, attempts, and what an admin can do.
import {ask, el, say, table} from './dom.js';
import {call, get, path} from './client.js';
import {readAor, timeCell} from './lists.js';
import {ago, explain, hint, until} from './words.js';

const BINDINGS = [{title: 'Phone'}, {title: 'Contact', class: 'mono'}, {title: 'From', class: 'mono'}, {title: 'Over'},
  {title: 'Since', class: 'now'}, {title: 'Expires', class: 'now'}, {title: ''}];
const ATTEMPTS = [{title: 'When', class: 'now'}, {title: 'Outcome'}, {title: 'Answer'}, {title: 'From', class: 'mono'},
  {title: 'Over'}, {title: 'Phone'}, {title: 'Times'}];

function fact(name, value) {
  return value === null || value === '' ? [] : [el('div', null, el('dt', null, name), el('dd', null, value))];
}

export class UserView {
  constructor(context, domain, username) {
    Object.assign(this, {context, domain, username});
    this.url = `v1/${path('domains', domain, 'users', username)}`;
    this.title = el('h1', {tabindex: '-1'}, `${username}@${domain}`);
    this.tag = el('span', {class: 'tag', hidden: true});
    this.buttons = el('div', {class: 'buttons', hidden: true});
    this.state = el('section', {class: 'card state', id: 'state', 'aria-label': 'State'});
    this.bindings = el('div');
    this.attempts = el('div');
    this.facts = el('dl', {class: 'facts'});
    this.rest = [
      el('section', {class: 'card', 'aria-labelledby': 'h-bindings'}, el('h2', {id: 'h-bindings'}, 'Bindings'), this.bindings),
      el('section', {class: 'card', 'aria-labelledby': 'h-attempts'}, el('h2', {id: 'h-attempts'}, 'Newest attempts'), this.attempts),
      el('section', {class: 'card', 'aria-label': 'Facts'}, this.facts),
    ];
    this.nodes = [
      el('nav', {class: 'crumbs', 'aria-label': 'Back'}, el('a', {href: '#/'}, '← All')),
      el('div', {class: 'who'}, this.title, this.tag, this.buttons),
      this.state, ...this.rest,
    ];
  }

  async start() {
    await this.read();
  }

  stop() {
    this.stopped = true;
  }

  event(event) {
    if (event.type === 'open') {
      this.read().catch(this.context.fail);
      return;
    }
    if (!event.data?.aor) return;
    const {username, domain} = readAor(event.data.aor);
    if (domain === this.domain && username.toLowerCase() === this.username.toLowerCase()) this.read().catch(this.context.fail);
  }

  tick() {
    this.read().catch(this.context.fail);
  }

  async read() {
    const asked = this.asked = Symbol('the newest question');
    const answers = await Promise.all([get(this.url), get(`${this.url}/bindings`), get(`${this.url}/attempts`)]
      .map((answer) => answer.catch((error) => ({error}))));
    if (asked !== this.asked || this.stopped) return;
    const failed = answers.find((answer) => answer.error);
    if (failed?.error.status === 404) this.missing();
    else if (failed) throw failed.error;
    else this.show(answers[0], answers[1].bindings, answers[2].attempts);
  }

  missing() {
    this.buttons.hidden = this.tag.hidden = true;
    for (const node of this.rest) node.hidden = true;
    this.sentence({tone: 'bad', text: `There is no user ${this.username} in ${this.domain}.`,
      hint: 'A phone that tries this name is listed under “Unknown”.'});
  }

  sentence({tone, text, hint: help}) {
    // Said when it changes, but not because another second has passed.
    const lasting = text.replace(/\d+ (second|minute|hour|day)s?( ago)?|just now/g, '');
    if (this.said !== lasting) say(text);
    this.said = lasting;
    this.state.className = `card state ${tone}`;
    this.state.replaceChildren(el('p', null, text), help ? el('p', {class: 'muted'}, help) : '');
  }

  show(user, bindings, attempts) {
    const now = this.context.now();
    this.user = user;
    for (const node of this.rest) node.hidden = false;
    this.sentence(explain(user, bindings, attempts, now));
    this.tag.hidden = user.enabled;
    this.tag.className = 'tag bad';
    this.tag.textContent = 'disabled';
    this.showButtons(user, bindings);
    this.bindings.replaceChildren(bindings.length ? table('Bindings', BINDINGS, bindings.map((b) => this.binding(b, now)))
      : el('p', {class: 'empty'}, 'No phone is registered.'));
    this.attempts.replaceChildren(attempts.length ? table('Newest attempts', ATTEMPTS, attempts.map((a) => this.attempt(a, now)))
      : el('p', {class: 'empty'}, 'No REGISTER has come since the service started.'));
    this.facts.replaceChildren(...fact('Name', user.display_name),
      ...fact('Authentication name', user.auth_username),
      ...fact('Algorithms', user.algorithms.join(', ') || 'none: no password'),
      ...fact('Bindings allowed', user.max_bindings ?? 'as the domain'),
      ...fact('Last registered', user.last_registered_at ? timeCell(user.last_registered_at, ago(user.last_registered_at, now)) : 'never'),
      ...fact('Created', timeCell(user.created_at, ago(user.created_at, now))),
      ...Object.entries(user.labels).flatMap(([key, value]) => fact(key, value)));
  }

  binding(b, now) {
    const remove = this.context.admin ? el('button', {type: 'button', class: 'danger', 'aria-label': `Unregister ${b.contact}`,
      onclick: () => this.unregister(b)}, 'Unregister') : '';
    return {cells: [el('span', null, b.user_agent ?? '', b.unreachable ? el('span', {class: 'tag bad'}, 'unreachable') : ''),
      b.contact, b.source, b.transport.toUpperCase(), timeCell(b.registered_at, ago(b.registered_at, now)),
      timeCell(b.expires_at, until(b.expires_at, now)), remove]};
  }

  attempt(a, now) {
    const tone = a.reason === 'ok' ? 'good' : a.reason === 'challenged' ? '' : 'bad';
    return {cells: [timeCell(a.at, ago(a.at, now)), el('span', {title: hint(a.reason)}, el('span', {class: `tag ${tone}`}, a.detail)),
      a.status, a.source, a.transport.toUpperCase(), a.user_agent ?? '', a.count]};
  }

  // ---- What an admin can do

  // Made anew only when they change: the focus stays where it is.
  showButtons(user, bindings) {
    const kind = `${this.context.admin} ${user.enabled} ${bindings.length > 0}`;
    this.buttons.hidden = !this.context.admin;
    if (this.buttons.dataset.kind === kind) return;
    this.buttons.dataset.kind = kind;
    this.buttons.replaceChildren(
      el('button', {type: 'button', disabled: !bindings.length, onclick: () => this.unregister(null)}, 'Unregister all'),
      user.enabled ? el('button', {type: 'button', class: 'danger', onclick: () => this.enable(false)}, 'Disable')
        : el('button', {type: 'button', class: 'main', onclick: () => this.enable(true)}, 'Enable'));
  }

  async change(done, work) {
    try {
      await work();
      say(done);
      await this.read();
    } catch (error) {
      this.context.fail(error);
    }
  }

  async unregister(binding) {
    const what = binding ? binding.contact : `all phones of ${this.username}`;
    if (!await ask(`Unregister ${this.username}?`, `${what} will not be called any more, until the phone registers again.`, 'Unregister')) return;
    const url = binding ? `${this.url}/bindings/${path(binding.id)}` : `${this.url}/bindings`;
    await this.change(`${this.username} was unregistered`, () => call('DELETE', url));
  }

  async enable(enabled) {
    if (!enabled && !await ask(`Disable ${this.username}?`, 'All its phones are unregistered at once, and none can register until it is enabled again.', 'Disable')) return;
    await this.change(`${this.username} was ${enabled ? 'enabled' : 'disabled'}`, () => call('PATCH', this.url, {enabled}));
  }
}
