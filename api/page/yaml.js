// SPDX-License-Identifier: Apache-2.0
// Reads the YAML that openapi.yaml keeps to: block mappings and sequences, flow collections on one
// line, plain and quoted scalars, literal and folded blocks. Anything else is an error with its
// line. A test holds it against another reader.

class Lines {
  constructor(text) {
    this.all = text.split('\n');
    this.at = 0;
  }

  fail(why) {
    throw new Error(`line ${this.at + 1}: ${why}`);
  }

  /** The next line with content as {indent, text}; null at the end. */
  peek() {
    while (this.at < this.all.length && /^\s*(#.*)?$/.test(this.all[this.at])) this.at++;
    if (this.at === this.all.length) return null;
    const line = this.all[this.at];
    if (line.includes('\t')) this.fail('a tab');
    const text = line.trimStart();
    return {indent: line.length - text.length, text: text.trimEnd()};
  }
}

// ---- Scalars and flow collections: a cursor over one line

const WORDS = {null: null, '~': null, true: true, false: false};

function plain(text) {
  if (Object.hasOwn(WORDS, text)) return WORDS[text];
  if (/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)) return Number(text);
  return text;
}

class Flow {
  constructor(text, lines) {
    Object.assign(this, {text, lines, at: 0});
  }

  blanks() {
    while (this.text[this.at] === ' ') this.at++;
  }

  quoted(quote) {
    const match = (quote === '"' ? /"((?:[^"\\]|\\.)*)"/y : /'((?:[^']|'')*)'/y);
    match.lastIndex = this.at;
    const found = match.exec(this.text);
    if (!found) this.lines.fail('a quote that does not end');
    this.at = match.lastIndex;
    return quote === '"' ? JSON.parse(found[0]) : found[1].replaceAll("''", "'");
  }

  /** A value inside of a flow collection, or a key there. */
  value(isKey) {
    this.blanks();
    const c = this.text[this.at];
    if (c === '"' || c === "'") return this.quoted(c);
    if (c === '[') return this.sequence();
    if (c === '{') return this.mapping();
    const begin = this.at;
    while (this.at < this.text.length && !/[,\]}]/.test(this.text[this.at]) && !/^:( |$)/.test(this.text.slice(this.at))) this.at++;
    const text = this.text.slice(begin, this.at).trim();
    return isKey ? text : plain(text);
  }

  /** Over a comma; true at the end. */
  ended(close) {
    this.blanks();
    if (this.text[this.at] === close) {
      this.at++;
      return true;
    }
    if (this.text[this.at] !== ',') this.lines.fail(`neither , nor ${close}`);
    this.at++;
    return false;
  }

  sequence() {
    const items = [];
    this.at++;
    this.blanks();
    if (this.text[this.at] === ']') {
      this.at++;
      return items;
    }
    do items.push(this.value(false)); while (!this.ended(']'));
    return items;
  }

  mapping() {
    const object = {};
    this.at++;
    this.blanks();
    if (this.text[this.at] === '}') {
      this.at++;
      return object;
    }
    do {
      const key = this.value(true);
      this.blanks();
      if (this.text[this.at] !== ':') this.lines.fail('a key without a value');
      this.at++;
      object[key] = this.value(false);
    } while (!this.ended('}'));
    return object;
  }
}

function inline(text, lines) {
  if (/^[&*!|>%@`]/.test(text)) lines.fail('not in the subset');
  if (/^['"[{]/.test(text)) {
    const flow = new Flow(text, lines);
    const value = flow.value(false);
    if (!/^\s*(#.*)?$/.test(text.slice(flow.at))) lines.fail('something behind the value');
    return value;
  }
  return plain(text.replace(/ #.*$/, '').trim());
}

// ---- Blocks

function block(style, indent, lines) {
  const [, kind, chomp] = /^([|>])(-?)$/.exec(style) ?? lines.fail('a kind of block that is not in the subset');
  const body = [];
  let own = null;
  for (lines.at++; lines.at < lines.all.length; lines.at++) {
    const line = lines.all[lines.at];
    const depth = line.length - line.trimStart().length;
    if (line.trim() === '') {
      body.push('');
      continue;
    }
    if (depth <= indent) break;
    own ??= depth;
    body.push(line.slice(own));
  }
  while (body.length && body.at(-1) === '') body.pop();
  const text = kind === '|' ? body.join('\n')
    : body.reduce((all, line, i) => (i === 0 ? line : line === '' ? `${all}\n` : all + (all.endsWith('\n') ? '' : ' ') + line), '');
  return chomp || !body.length ? text : `${text}\n`;
}

const KEY = /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^'"[{#&*!|>%@`\-\s][^#]*?|-[^\s][^#]*?):(?: +(.*))?$/;

function key(text, lines) {
  return /^['"]/.test(text) ? inline(text, lines) : text;
}

/** What stands behind a key or a dash: on the same line, or deeper on the next ones. */
function value(rest, indent, lines) {
  if (rest && /^[|>]/.test(rest)) return block(rest, indent, lines);
  if (rest && !rest.startsWith('#')) {
    const result = inline(rest, lines);
    lines.at++;
    return result;
  }
  lines.at++;
  const next = lines.peek();
  return next && next.indent > indent ? node(next.indent, lines) : null;
}

function mapping(indent, lines) {
  const object = {};
  for (let line = lines.peek(); line && line.indent === indent; line = lines.peek()) {
    const found = KEY.exec(line.text);
    if (!found) lines.fail('not a key');
    const name = key(found[1], lines);
    if (Object.hasOwn(object, name)) lines.fail(`${name} is there twice`);
    object[name] = value(found[2], indent, lines);
  }
  return object;
}

function sequence(indent, lines) {
  const items = [];
  for (let line = lines.peek(); line && line.indent === indent && /^-( |$)/.test(line.text); line = lines.peek()) {
    const rest = line.text.slice(1).trimStart();
    const inner = indent + line.text.length - rest.length;
    if (rest && !/^['"[{]/.test(rest) && KEY.test(rest)) {
      lines.all[lines.at] = ' '.repeat(inner) + rest; // the mapping's first line stands behind the dash
      items.push(mapping(inner, lines));
    } else {
      items.push(value(rest, indent, lines));
    }
  }
  return items;
}

function node(indent, lines) {
  const line = lines.peek();
  const result = /^-( |$)/.test(line.text) ? sequence(indent, lines) : mapping(indent, lines);
  const after = lines.peek();
  if (after && after.indent > indent) lines.fail('an indent that does not fit');
  return result;
}

export function parse(text) {
  const lines = new Lines(text);
  const result = node(0, lines);
  if (lines.peek()) lines.fail('something behind the end');
  return result;
}
