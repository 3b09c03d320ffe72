// SPDX-License-Identifier: Apache-2.0
// A JSON Schema for people: its type and bounds in a few words, members in a list that unfolds.
import {el} from './dom.js';

const DEEP = 5;

function bounds(s) {
  const range = (from, to, unit) => {
    if (from === undefined && to === undefined) return [];
    if (to === undefined) return [`at least ${from}${unit}`];
    return [from === to ? `${to}${unit}` : `${from === undefined ? 'at most ' : `${from} to `}${to}${unit}`];
  };
  return [
    ...range(s.minimum, s.maximum, ''),
    ...(s.minLength === 1 && s.maxLength === undefined ? ['not empty'] : range(s.minLength, s.maxLength, ' characters')),
    ...range(s.minItems, s.maxItems, ' items'),
    ...range(s.minProperties, s.maxProperties, ' members'),
    ...(s.format ? [s.format] : []),
    ...(s.pattern ? [`like ${s.pattern}`] : []),
    ...(s.default === undefined ? [] : [`default ${JSON.stringify(s.default)}`]),
  ].join(', ');
}

/** A few words: string, integer 1 to 1000, Domain or null. */
function label(doc, schema) {
  const {node, name} = doc.resolve(schema);
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum) return node.enum.map((v) => JSON.stringify(v)).join(' | ');
  const several = node.oneOf ?? node.anyOf ?? (node.allOf && !node.properties ? node.allOf : null);
  if (several) return several.map((s) => label(doc, s)).join(node.allOf ? ' and ' : ' or ');
  if (node.type === 'array') return `list of ${label(doc, node.items)}${bounds(node) ? ` (${bounds(node)})` : ''}`;
  const type = Array.isArray(node.type) ? node.type.join(' or ') : node.type ?? 'anything';
  const limits = bounds(node);
  return (name && type === 'object' ? name : type) + (limits ? ` (${limits})` : '');
}

/** The object whose members are worth showing, or null. */
function inside(doc, schema) {
  const {node} = doc.resolve(schema);
  if (node.properties || typeof node.additionalProperties === 'object') return node;
  if (node.items) return inside(doc, node.items);
  const several = node.oneOf ?? node.anyOf ?? node.allOf ?? (node.contentSchema ? [node.contentSchema] : []);
  return several.map((s) => inside(doc, s)).find(Boolean) ?? null;
}

function member(doc, name, schema, required, depth) {
  const {node} = doc.resolve(schema);
  return el('li', null, el('code', null, name), required ? el('span', {class: 'must'}, ' required') : '', ' ',
    depth < DEEP ? schemaView(doc, schema, depth + 1) : '',
    node.description ? el('p', {class: 'muted'}, node.description.replaceAll('`', '')) : '');
}

export function schemaView(doc, schema, depth = 0) {
  if (!schema) return el('span', {class: 'muted'}, 'nothing');
  const object = inside(doc, schema);
  const text = el('span', {class: 'type'}, label(doc, schema));
  if (!object) return text;
  const members = Object.entries(object.properties ?? {}).map(([name, s]) =>
    member(doc, name, s, object.required?.includes(name), depth));
  if (typeof object.additionalProperties === 'object') members.push(member(doc, '(any name)', object.additionalProperties, false, depth));
  return el('details', {class: 'members'}, el('summary', null, text), el('ul', null, members));
}
