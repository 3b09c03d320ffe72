// SPDX-License-Identifier: Apache-2.0
// The form that sends one operation for real and shows what came back.
import {el} from './dom.js';
import {headers, token} from './client.js';

const MOST = 64 * 1024; // characters of an answer that are shown

function field(p) {
  const input = el('input', {name: p.name, placeholder: p.example === undefined ? '' : String(p.example), autocomplete: 'off',
    spellcheck: 'false', required: p.required});
  if (p.required && p.example !== undefined) input.value = String(p.example);
  return {p, input, node: el('label', null, el('span', null, p.name, el('small', null, ` ${p.in}`)), input)};
}

function example(doc, media) {
  const [first] = Object.values(media.examples ?? {});
  const value = first ? doc.resolve(first).node.value : '';
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

/** The URL of a path template with these fields. Path values that are escaped already stay so. */
function address(path, fields) {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => {
    const text = fields.find(({p}) => p.in === 'path' && p.name === name).input.value;
    return /%[0-9A-Fa-f]{2}/.test(text) ? text : encodeURIComponent(text);
  });
  const set = fields.filter(({p, input}) => p.in === 'query' && input.value !== '').map(({p, input}) => [p.name, input.value]);
  return filled.slice(1) + (set.length ? `?${new URLSearchParams(set)}` : '');
}

/** Shows the answer as it arrives, so that a stream without an end can be watched. */
async function receive(response, out) {
  const shown = [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
  out.textContent = `HTTP ${response.status}\n${shown}\n\n`;
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (let piece = await reader?.read(); piece && !piece.done; piece = await reader.read()) {
    text += piece.value;
    out.append(piece.value);
    if (out.textContent.length > MOST) {
      out.append('\n… (cut)');
      await reader.cancel();
      return;
    }
  }
  if ((response.headers.get('Content-Type') ?? '').includes('json') && text.startsWith('{') && !text.trim().includes('\n')) {
    out.textContent = `HTTP ${response.status}\n${shown}\n\n${JSON.stringify(JSON.parse(text), null, 2)}`;
  }
}

export function tryIt(doc, {path, method, operation, parameters, needsToken}) {
  const fields = parameters.map(field);
  const content = doc.resolve(operation.requestBody).node?.content;
  const types = Object.keys(content ?? {});
  const body = types.length ? el('textarea', {rows: '5', spellcheck: 'false', 'aria-label': 'Body'}) : null;
  if (body) body.value = example(doc, content[types[0]]);
  const secret = needsToken ? el('input', {type: 'password', autocomplete: 'off', placeholder: 'none'}) : null;
  const out = el('pre', {class: 'answer', hidden: true, tabindex: '0', 'aria-label': 'Answer', 'aria-live': 'polite'});
  const send = el('button', {type: 'submit', class: 'main'}, 'Send');
  const end = el('button', {type: 'button', hidden: true}, 'Stop');
  let stop = null;
  end.addEventListener('click', () => stop?.abort());

  async function submit(event) {
    event.preventDefault();
    if (secret?.value) token.set(secret.value.trim());
    stop = new AbortController();
    const more = Object.fromEntries(fields.filter(({p, input}) => p.in === 'header' && input.value !== '').map(({p, input}) => [p.name, input.value]));
    if (body) more['Content-Type'] = types[0];
    out.hidden = end.hidden = false;
    send.disabled = true;
    try {
      await receive(await fetch(address(path, fields), {method: method.toUpperCase(), headers: headers(more), body: body?.value,
        signal: stop.signal, credentials: 'omit', cache: 'no-store'}), out);
    } catch (error) {
      out.append(`\n(${error.message})`);
    }
    send.disabled = false;
    end.hidden = true;
  }

  return el('details', {class: 'try'}, el('summary', null, 'Try it'),
    el('form', {onsubmit: submit}, el('div', {class: 'fields'}, fields.map((f) => f.node),
      secret ? el('label', null, el('span', null, 'Token', el('small', null, ' kept in this tab')), secret) : ''),
    body ? el('label', null, el('span', null, 'Body', el('small', null, ` ${types[0]}`)), body) : '',
    el('div', {class: 'buttons'}, send, end), out));
}
