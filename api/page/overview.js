// SPDX-License-Identifier: Apache-2.0
// The first view: totals, the chart, and a list with search and pages.
import {el, say, table} from './dom.js';
import {get} from './client.js';
import {Chart} from './chart.js';
import {rate} from './metrics.js';
import {LISTS, userHref} from './lists.js';

const REREAD = 700; // ms between two readings of a list, however many events come

function total(label, bad) {
  const value = el('strong', null, '–');
  return {value, node: el('li', {class: bad ? 'card bad' : 'card'}, value, el('span', null, label))};
}

export class Overview {
  constructor(context) {
    this.context = context;
    this.kind = 'bindings';
    this.prefix = '';
    this.domain = '';
    this.cursors = [null]; // of the pages up to the one shown
    this.seen = null;      // keys of the rows shown
    this.build();
  }

  build() {
    this.totals = {registered: total('users registered'), bindings: total('bindings'),
      rate: total('registrations / s'), failures: total('failures / s', true)};
    this.chart = new Chart(this.context.rates.size, this.context.minutes);
    this.tabs = Object.entries(LISTS).map(([kind, list]) => el('button', {type: 'button',
      'aria-pressed': String(kind === this.kind), onclick: () => this.choose(kind), 'data-kind': kind}, list.title));
    this.search = el('input', {type: 'search', placeholder: 'User name begins with …', 'aria-label': 'User name begins with',
      autocomplete: 'off', spellcheck: 'false', oninput: () => this.find()});
    this.domains = el('select', {'aria-label': 'Domain', onchange: () => this.find()});
    this.list = el('div', {id: 'list'});
    this.back = el('button', {type: 'button', onclick: () => this.turn(-1)}, 'Previous');
    this.forth = el('button', {type: 'button', onclick: () => this.turn(1)}, 'Next');
    this.place = el('p', null);
    this.nodes = [
      el('h1', {class: 'unseen', tabindex: '-1'}, 'Who is registered'),
      el('ul', {class: 'totals', 'aria-label': 'Totals'}, Object.values(this.totals).map((t) => t.node)),
      this.chart.node,
      el('section', {class: 'card', 'aria-label': 'List'},
        el('div', {class: 'tools'},
          el('div', {class: 'tabs', role: 'group', 'aria-label': 'What to list'}, this.tabs),
          el('form', {role: 'search', onsubmit: (event) => this.go(event)}, this.search, this.domains)),
        this.list,
        el('div', {class: 'pages'}, this.place, this.back, this.forth)),
    ];
  }

  async start() {
    const {domains} = await get('v1/domains?limit=1000');
    this.domains.replaceChildren(el('option', {value: ''}, 'all domains'),
      ...domains.map((d) => el('option', {value: d.domain}, d.domain)));
    this.names = domains.map((d) => d.domain);
    this.domains.hidden = domains.length < 2;
    await this.read();
  }

  stop() {
    clearTimeout(this.timer);
    this.stopped = true;
  }

  // ---- What is shown

  choose(kind) {
    this.kind = kind;
    for (const tab of this.tabs) tab.setAttribute('aria-pressed', tab.dataset.kind === kind);
    if (LISTS[kind].wantsDomain && !this.domains.value && this.names.length) this.domains.value = this.names[0];
    this.find();
  }

  find() {
    this.prefix = this.search.value.trim();
    if (LISTS[this.kind].wantsDomain && !this.domains.value && this.names.length) this.domains.value = this.names[0];
    this.domain = this.domains.value;
    this.cursors = [null];
    this.seen = null;
    this.read();
  }

  turn(by) {
    if (by > 0) this.cursors.push(this.next);
    else this.cursors.pop();
    this.seen = null;
    this.read();
  }

  // Enter: the user of exactly that name, where there is one.
  go(event) {
    event.preventDefault();
    const at = this.prefix.lastIndexOf('@');
    const domain = at > 0 ? this.prefix.slice(at + 1) : this.domain || this.names[0];
    const name = at > 0 ? this.prefix.slice(0, at) : this.prefix;
    if (name && domain) location.hash = userHref(domain, name);
  }

  async read() {
    const asked = this.asked = Symbol('the newest question');
    const list = LISTS[this.kind];
    const at = this.prefix.lastIndexOf('@');
    const question = {domain: this.domain, prefix: at > 0 ? this.prefix.slice(0, at) : this.prefix, cursor: this.cursors.at(-1)};
    const page = list.wantsDomain && !question.domain ? {items: [], next: null} : await list.read(question);
    if (asked !== this.asked || this.stopped) return;
    this.next = page.next;
    this.show(list, page.items);
  }

  show(list, items) {
    const now = this.context.now();
    const rows = items.map((item) => list.row(item, now));
    const fresh = (row) => this.seen && !this.seen.has(row.key);
    const count = rows.filter(fresh).length;
    if (count) say(`${count} new in the list`);
    const shown = rows.map((row) => ({cells: row.cells, attributes: {class: fresh(row) ? 'fresh' : null}}));
    this.seen = new Set(rows.map((row) => row.key));
    this.list.replaceChildren(rows.length ? table(list.title, list.columns, shown)
      : el('p', {class: 'empty'}, this.prefix && this.kind === 'bindings' ? `Nobody whose name begins with “${this.prefix}” is registered.` : list.empty));
    this.back.disabled = this.cursors.length === 1;
    this.forth.disabled = !this.next;
    this.back.hidden = this.forth.hidden = this.back.disabled && this.forth.disabled;
    this.place.textContent = this.cursors.length > 1 || this.next ? `Page ${this.cursors.length}` : '';
  }

  // ---- What happens

  event(event) {
    if (event.type.startsWith('domain.')) {
      this.start().catch(this.context.fail);
      return;
    }
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.read().catch(this.context.fail);
    }, this.seen ? REREAD : 0);
  }

  tick(stats) {
    const {ok, failed} = this.context.rates.newest;
    this.totals.registered.value.textContent = stats.registered_users.toLocaleString();
    this.totals.registered.node.lastChild.textContent = `of ${stats.users.toLocaleString()} users registered`;
    this.totals.bindings.value.textContent = stats.bindings.toLocaleString();
    this.totals.rate.value.textContent = rate(ok);
    this.totals.failures.value.textContent = rate(failed);
    this.totals.failures.node.className = failed > 0 ? 'card bad' : 'card';
    this.chart.show(this.context.rates.samples);
    if (this.kind === 'strangers') this.event({type: 'strangers'});
  }
}
