// SPDX-License-Identifier: Apache-2.0
// Elements. Text goes in as text nodes only: what phones send is never markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined).map(
    (child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return node;
}

export function el(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

export const byId = (id) => document.getElementById(id);

/** Says it to people who do not see the page. */
export function say(text) {
  byId('say').textContent = text;
}

/** Asks before something that cannot be undone. True for yes. */
export function ask(title, text, yes) {
  const dialog = byId('ask');
  byId('ask-title').textContent = title;
  byId('ask-text').textContent = text;
  byId('ask-yes').textContent = yes;
  return new Promise((resolve) => {
    const end = (answer) => () => {
      dialog.close(answer);
    };
    byId('ask-yes').onclick = end('yes');
    byId('ask-no').onclick = end('no');
    dialog.returnValue = 'no';
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), {once: true});
    dialog.showModal();
    byId('ask-no').focus();
  });
}

/** A table whose cells know their column's name, for narrow screens. */
export function table(caption, columns, rows) {
  return el('div', {class: 'table-wrap'}, el('table', null,
    el('caption', {class: 'unseen'}, caption),
    el('thead', null, el('tr', null, columns.map((c) => el('th', {scope: 'col'}, c.title)))),
    el('tbody', null, rows.map((row) => el('tr', row.attributes,
      columns.map((c, i) => el('td', {'data-label': c.title, class: c.class}, row.cells[i])))))));
}

/** The button that goes round system, light, dark. */
export function themeButton(button) {
  const themes = ['system', 'light', 'dark'];
  const show = (theme) => {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = {system: '◐ Auto', light: '○ Light', dark: '● Dark'}[theme];
    button.setAttribute('aria-label', `Theme: ${theme}`);
  };
  let theme = localStorage.getItem('rollcall.theme') ?? 'system';
  show(theme);
  button.addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    localStorage.setItem('rollcall.theme', theme);
    show(theme);
  });
}
