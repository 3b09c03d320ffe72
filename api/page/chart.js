// SPDX-License-Identifier: Apache-2.0
// The chart of rates: an area and two lines in SVG.
import {el, svg} from './dom.js';
import {rate} from './metrics.js';

const WIDTH = 600;
const HEIGHT = 150;

/** A round number that is not below `value`. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= value);
}

function line(values, size, top) {
  const step = WIDTH / (size - 1);
  const from = size - values.length;
  return values.map((v, i) =>
    `${i ? 'L' : 'M'}${((from + i) * step).toFixed(1)} ${(HEIGHT - (v / top) * (HEIGHT - 10)).toFixed(1)}`).join('');
}

export class Chart {
  constructor(size, minutes) {
    this.size = size;
    this.area = svg('path', {class: 'area'});
    this.good = svg('path', {class: 'good'});
    this.fail = svg('path', {class: 'fail'});
    this.top = el('span', {class: 'top'});
    this.picture = svg('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img'},
      [10, HEIGHT / 2 + 5, HEIGHT].map((y) => svg('path', {class: 'grid', d: `M0 ${y}H${WIDTH}`})),
      this.area, this.good, this.fail);
    this.node = el('section', {class: 'card', 'aria-labelledby': 'chart-title'},
      el('div', {class: 'chart-head'}, el('h2', {id: 'chart-title'}, 'Registrations'),
        el('ul', {class: 'legend'}, el('li', null, 'registered, per second'),
          el('li', {class: 'bad'}, 'failed, per second'))),
      el('div', {class: 'plot'}, this.picture, this.top),
      el('div', {class: 'axis', 'aria-hidden': 'true'}, el('span', null, `${minutes} minutes ago`), el('span', null, 'now')));
    this.show([]);
  }

  show(samples) {
    const ok = samples.map((s) => s.ok);
    const failed = samples.map((s) => s.failed);
    const top = roundUp(Math.max(1, ...ok, ...failed));
    const path = line(ok, this.size, top);
    this.good.setAttribute('d', path);
    this.fail.setAttribute('d', line(failed, this.size, top));
    const begin = (WIDTH / (this.size - 1)) * (this.size - ok.length);
    this.area.setAttribute('d', path ? `${path}L${WIDTH} ${HEIGHT}L${begin.toFixed(1)} ${HEIGHT}Z` : '');
    this.top.textContent = `${top}/s`;
    const newest = samples.at(-1) ?? {ok: 0, failed: 0};
    this.picture.setAttribute('aria-label',
      `Now ${rate(newest.ok)} registrations and ${rate(newest.failed)} failures per second`);
  }
}
