// SPDX-License-Identifier: Apache-2.0
// The reference: openapi.yaml as a page.
import {byId, el, themeButton} from './dom.js';
import {parse} from './yaml.js';
import {schemaView} from './schema.js';
import {tryIt} from './try.js';

const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

export class Document {
  constructor(root) {
    this.root = root;
  }

  /** What a node is, its $ref followed; `name` is the last part of the reference. */
  resolve(node) {
    let name = null;
    while (node?.$ref) {
      const parts = node.$ref.replace(/^#\//, '').split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
      name = parts.at(-1);
      node = parts.reduce((at, part) => at[part], this.root);
    }
    return {node, name};
  }

  * operations() {
    for (const [path, item] of Object.entries(this.root.paths)) {
      for (const method of METHODS.filter((m) => item[m])) {
        const operation = item[method];
        const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((p) => this.resolve(p).node);
        yield {path, method, operation, parameters, needsToken: (operation.security ?? this.root.security).length > 0};
      }
    }
  }
}

// ---- Text: paragraphs, `code`, **bold**

function words(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith('`')) return el('code', null, part.slice(1, -1));
    if (part.startsWith('**')) return el('strong', null, part.slice(2, -2));
    return part;
  });
}

function prose(text) {
  return (text ?? '').trim().split(/\n\n+/).filter(Boolean).map((p) => el('p', null, words(p)));
}

function pretty(value) {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

// ---- One operation

function parameterTable(doc, parameters) {
  return el('div', {class: 'scroll'}, el('table', null,
    el('thead', null, el('tr', null, ['Name', 'In', 'Type', 'Meaning'].map((t) => el('th', {scope: 'col'}, t)))),
    el('tbody', null, parameters.map((p) => el('tr', null,
      el('td', null, el('code', null, p.name), p.required ? el('span', {class: 'must'}, ' required') : ''),
      el('td', null, p.in),
      el('td', null, schemaView(doc, p.schema)),
      el('td', null, words(p.description ?? '')))))));
}

function contentView(doc, content) {
  return Object.entries(content ?? {}).flatMap(([type, media]) => [
    el('p', null, el('code', null, type)),
    el('div', {class: 'schema'}, schemaView(doc, media.schema)),
    ...Object.values(media.examples ?? {}).map((example) => {
      const {node} = doc.resolve(example);
      return el('figure', null, el('figcaption', null, node.summary ?? 'Example'),
        el('pre', {tabindex: '0'}, el('code', null, pretty(node.value))));
    }),
  ]);
}

function responseView(doc, status, response) {
  const {node} = doc.resolve(response);
  const headers = Object.keys(node.headers ?? {});
  return el('details', {class: `response s${status[0]}`},
    el('summary', null, el('strong', null, status), ' ', words(node.description)),
    headers.length ? el('p', null, 'Headers: ', headers.flatMap((h) => [el('code', null, h), ' '])) : '',
    contentView(doc, node.content));
}

function operationView(doc, found) {
  const {path, method, operation, parameters, needsToken} = found;
  const body = doc.resolve(operation.requestBody).node;
  return el('section', {class: 'card operation', id: operation.operationId, 'aria-labelledby': `h-${operation.operationId}`},
    el('h3', {id: `h-${operation.operationId}`}, operation.summary),
    el('p', {class: 'line'}, el('span', {class: `method ${method}`}, method.toUpperCase()), el('code', null, path),
      needsToken ? '' : el('span', {class: 'open'}, 'no token')),
    prose(operation.description),
    parameters.length ? [el('h4', null, 'Parameters'), parameterTable(doc, parameters)] : '',
    body ? [el('h4', null, 'Body'), contentView(doc, body.content)] : '',
    el('h4', null, 'Responses'),
    Object.entries(operation.responses).map(([status, response]) => responseView(doc, status, response)),
    tryIt(doc, found));
}

// ---- The page

function render(doc) {
  const {info, tags} = doc.root;
  const operations = [...doc.operations()];
  const main = byId('main');
  main.replaceChildren(el('section', {class: 'card intro'}, el('h1', null, `${info.title} ${info.version}`),
    el('p', null, info.summary), prose(info.description)));
  const contents = el('ul', null);
  for (const tag of tags) {
    const own = operations.filter(({operation}) => operation.tags.includes(tag.name));
    main.append(el('div', {class: 'tag-head'}, el('h2', {id: tag.name}, tag.name), el('p', {class: 'muted'}, words(tag.description))),
      ...own.map((found) => operationView(doc, found)));
    contents.append(el('li', null, el('a', {href: `#${tag.name}`}, tag.name), el('ul', null,
      own.map(({method, operation}) => el('li', null, el('a', {href: `#${operation.operationId}`},
        el('span', {class: `method ${method}`}, method.toUpperCase()), operation.summary))))));
  }
  byId('contents').replaceChildren(contents);
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

themeButton(byId('theme'));
fetch('openapi.yaml')
  .then((response) => response.text())
  .then((text) => render(new Document(parse(text))))
  .catch((error) => byId('main').replaceChildren(el('p', {class: 'card', role: 'alert'}, `openapi.yaml: ${error.message}`)));
