// SPDX-License-Identifier: Apache-2.0
// A rollcall of one's own with phones, and a browser on its page.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import {fileURLToPath} from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const ADMIN = 'admin-token-of-the-tests';
export const READ = 'read-token-of-the-tests';
const PATIENCE = 30000;
// Node modules are installed under build/, not beside this file.
const require = createRequire(path.join(process.env.ROLLCALL_NODE ?? `${ROOT}/build/node`, 'package.json'));
const {chromium} = require('playwright-core');

/** Polls until the condition gives something true. */
export async function until(condition, what) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Service {
  async start(environment = {}) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'rollcall-browser-'));
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ROLLCALL_')));
    this.log = '';
    this.process = spawn(process.env.ROLLCALL_BINARY ?? `${ROOT}/build/rollcall`, ['serve'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {...clean, ROLLCALL_SIP_LISTEN: 'udp://127.0.0.1:0,tcp://127.0.0.1:0', ROLLCALL_API_LISTEN: 'http://127.0.0.1:0',
        ROLLCALL_API_ADMIN_TOKEN: ADMIN, ROLLCALL_API_READ_TOKEN: READ, ROLLCALL_STORE_URL: `lmdb:${this.folder}`,
        ROLLCALL_STORE_MAP_SIZE: '1GiB', ROLLCALL_REGISTRAR_DOMAINS: 'example.com', ...environment},
    });
    this.process.stderr.on('data', (text) => {
      this.log += text;
    });
    this.ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.url = await until(() => /listen=(http:\/\/[0-9.:]+)/.exec(this.log)?.[1], `the API's listener:\n${this.log}`);
    await until(() => fetch(`${this.url}/readyz`).then((r) => r.ok, () => false), 'readiness');
    const [, host, port] = /listen=udp:\/\/([0-9.]+):(\d+)/.exec(this.log);
    this.phones = spawn('/usr/bin/python3', [path.join(ROOT, 'tests/browser/phones.py'), host, port], {stdio: ['pipe', 'pipe', 'inherit']});
    this.answers = readline.createInterface({input: this.phones.stdout})[Symbol.asyncIterator]();
    return this;
  }

  /** Calls the API as an admin. */
  async api(method, target, body) {
    const response = await fetch(`${this.url}/v1/${target}`, {method, body: body && JSON.stringify(body),
      headers: {Authorization: `Bearer ${ADMIN}`, ...(body && {'Content-Type': 'application/json'})}});
    if (!response.ok) throw new Error(`${method} ${target}: ${response.status} ${await response.text()}`);
    return response.status === 204 ? null : response.json();
  }

  user(name, more) {
    return this.api('PUT', `domains/example.com/users/${encodeURIComponent(name)}`, {password: 'secret', ...more});
  }

  /** A REGISTER; the final status. */
  async register(user, more) {
    this.phones.stdin.write(`${JSON.stringify({user, ...more})}\n`);
    const {value} = await this.answers.next();
    return JSON.parse(value).status;
  }

  async stop() {
    this.phones?.stdin.end();
    this.process.kill('SIGTERM');
    const code = await this.ended;
    rmSync(this.folder, {recursive: true, force: true});
    if (code !== 0) throw new Error(`rollcall ended with ${code}:\n${this.log}`);
  }
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--force-color-profile=srgb'],
  });
}

/**
 * A page on the service that notes all that must not be: requests to elsewhere, breaches of the
 * policy, errors of scripts.
 */
export async function openPage(browser, service, options = {}) {
  const context = await browser.newContext({viewport: {width: 1240, height: 900}, ...options});
  const page = await context.newPage();
  page.wrong = [];
  page.setDefaultTimeout(PATIENCE);
  page.on('request', (request) => {
    if (!request.url().startsWith(service.url)) page.wrong.push(`request to ${request.url()}`);
    if (/token-of-the-tests/.test(request.url())) page.wrong.push('a token in a URL');
  });
  page.on('pageerror', (error) => page.wrong.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (/Content Security Policy|Content-Security-Policy/i.test(message.text())) page.wrong.push(message.text());
  });
  page.on('dialog', (dialog) => {
    page.wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  return page;
}
