// SPDX-License-Identifier: Apache-2.0
// The pages in a real browser, with real REGISTERs. Prints a line "passed|failed<TAB>name<TAB>why"
// a test; exits with 1 when one failed.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';

import {ADMIN, launch, openPage, READ, ROOT, Service, until} from './service.mjs';

const XSS = '<img src=x onerror=alert(1)>"\'><script>alert(2)</script>';
const tests = [];
const test = (name, body) => tests.push({name, body});

async function signIn(page, token, hash = '') {
  await page.goto(`${page.service.url}/${hash}`);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', {name: 'Sign in'}).click();
  await page.getByRole('button', {name: 'Sign out'}).waitFor();
  await page.locator('#live[data-state="on"]').waitFor();
}

const row = (page, text) => page.locator('tbody tr', {hasText: text});
const state = (page) => page.locator('#state');

test('a wrong token is refused, a right one is kept in the tab and never in a URL', async ({page, service}) => {
  await page.goto(service.url);
  await page.getByLabel('Token').fill('nonsense');
  await page.keyboard.press('Enter');
  await page.getByText('This token is not right.').waitFor();
  await signIn(page, ADMIN);
  assert.equal(await page.evaluate(() => localStorage.getItem('rollcall.token')), null);
  await page.reload();
  await page.getByRole('button', {name: 'Sign out'}).waitFor();
  await page.getByRole('button', {name: 'Sign out'}).click();
  await page.getByLabel('Token').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test('a REGISTER appears without a reload, with the totals and the chart', async ({page, service}) => {
  await signIn(page, ADMIN);
  await page.getByText('Nobody is registered.').waitFor();
  assert.equal(await service.register('alice', {agent: 'First Phone 1.0'}), 200);
  await row(page, 'alice@example.com').getByText('First Phone 1.0').waitFor();
  await page.getByText('of 2 users registered').waitFor();
  await page.locator('.totals strong', {hasText: /^1$/}).first().waitFor();
  await until(async () => (await page.locator('.plot .good').getAttribute('d')).length > 0, 'a line in the chart');
  assert.equal(await service.register('alice', {agent: 'First Phone 1.0', expires: 0}), 200);
  await page.getByText('Nobody is registered.').waitFor();
});

test('why a wrong password fails is a sentence', async ({page, service}) => {
  await signIn(page, READ, '#/users/example.com/alice');
  await state(page).getByText('no phone has tried so far').waitFor();
  assert.equal(await service.register('alice', {password: 'wrong', agent: 'Bad Phone'}), 401);
  await state(page).getByText(/^alice is not registered: the last attempt, .* failed: wrong password\./).waitFor();
  await row(page, 'Bad Phone').getByText('wrong password').waitFor();
  assert.equal(await service.register('alice', {agent: 'Good Phone'}), 200);
  await state(page).getByText(/^alice is registered from 127\.0\.0\.1:\d+ over UDP with Good Phone/).waitFor();
});

test('a name that nobody has provisioned is listed', async ({page, service}) => {
  await signIn(page, READ);
  await service.register('alcie', {agent: 'Typing Error'});
  await page.getByRole('button', {name: 'Unknown'}).click();
  await row(page, 'alcie@example.com').getByText('unknown user').waitFor();
});

test('an admin unregisters one phone, and is asked before', async ({page, service}) => {
  await service.register('alice', {agent: 'Gone Phone'});
  await signIn(page, ADMIN, '#/users/example.com/alice');
  const button = row(page, 'Gone Phone').getByRole('button', {name: /^Unregister sip:alice@/});
  await button.click();
  await page.getByRole('dialog').getByRole('button', {name: 'Cancel'}).click();
  assert.equal((await service.api('GET', 'domains/example.com/users/alice/bindings')).bindings.length, 1);
  await button.click();
  await page.getByRole('dialog').getByRole('button', {name: 'Unregister'}).click();
  await page.getByText('No phone is registered.').waitFor();
  assert.equal((await service.api('GET', 'domains/example.com/users/alice/bindings')).bindings.length, 0);
});

test('an admin disables and enables a user', async ({page, service}) => {
  await service.register('alice', {agent: 'Shut Out'});
  await signIn(page, ADMIN, '#/users/example.com/alice');
  await page.getByRole('button', {name: 'Disable'}).click();
  await page.getByRole('dialog').getByRole('button', {name: 'Disable'}).click();
  await state(page).getByText('alice is disabled, so no phone can register.').waitFor();
  const user = await service.api('GET', 'domains/example.com/users/alice');
  assert.deepEqual([user.enabled, user.registered], [false, false]);
  await page.getByRole('button', {name: 'Enable'}).click();
  await page.getByRole('button', {name: 'Disable'}).waitFor();
  assert.equal((await service.api('GET', 'domains/example.com/users/alice')).enabled, true);
});

test('a read token sees no buttons that change something', async ({page, service}) => {
  await service.register('alice', {agent: 'Only Seen'});
  await signIn(page, READ, '#/users/example.com/alice');
  await row(page, 'Only Seen').first().waitFor();
  assert.equal(await page.getByRole('button', {name: /Unregister|Disable|Enable/}).count(), 0);
});

test('what a phone calls itself stays text', async ({page, service}) => {
  await service.user('<b>mallory</b>', {display_name: XSS, labels: {'<i>': XSS}});
  await service.register('alice', {agent: XSS});
  await signIn(page, ADMIN);
  await row(page, 'alice@example.com').getByText(XSS).waitFor();
  await page.getByRole('button', {name: 'All users'}).click();
  await page.getByRole('link', {name: '<b>mallory</b>@example.com'}).click();
  await page.getByRole('heading', {name: '<b>mallory</b>@example.com'}).waitFor();
  await page.locator('dd', {hasText: XSS}).first().waitFor();
  assert.equal(await page.locator('img[src="x"], main script, main b, main i').count(), 0);
});

test('search by the beginning of a name, and pages', async ({page, service}) => {
  for (let n = 0; n < 30; n++) await service.user(`p${String(n).padStart(2, '0')}`);
  await signIn(page, READ);
  await page.getByRole('button', {name: 'All users'}).click();
  await page.getByLabel('User name begins with').fill('p');
  await row(page, 'p24@example.com').waitFor();
  assert.equal(await page.locator('tbody tr').count(), 25);
  await page.getByRole('button', {name: 'Next'}).click();
  await row(page, 'p29@example.com').waitFor();
  assert.equal(await page.locator('tbody tr').count(), 5);
  await page.getByRole('button', {name: 'Previous'}).click();
  await row(page, 'p00@example.com').waitFor();
  await page.getByLabel('User name begins with').fill('p07');
  await until(async () => await page.locator('tbody tr').count() === 1, 'one row');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', {name: 'p07@example.com'}).waitFor();
});

test('the keyboard is enough: links, tabs and the dialog', async ({page, service}) => {
  await service.register('alice', {agent: 'Keys'});
  await signIn(page, ADMIN);
  await row(page, 'alice@example.com').waitFor();
  await page.reload();
  await row(page, 'alice@example.com').waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await until(async () => { // the list may be read again in between, and takes the focus with it
    const link = page.getByRole('link', {name: 'alice@example.com'});
    if (await link.count()) {
      await link.focus({timeout: 1000}).catch(() => {});
      await page.keyboard.press('Enter');
    }
    return await page.getByRole('button', {name: 'Disable'}).count() === 1;
  }, 'the page of the user');
  await until(() => page.evaluate(() => document.activeElement.tagName === 'H1'), 'the focus on the heading');
  await page.getByRole('button', {name: 'Disable'}).focus();
  await page.keyboard.press('Enter');
  await until(() => page.evaluate(() => document.activeElement.id === 'ask-no'), 'the focus in the dialog');
  await page.keyboard.press('Escape');
  await until(async () => await page.getByRole('dialog').count() === 0, 'the dialog to close');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Disable');
});

test('everything that can be used has a name', async ({page, service}) => {
  await service.register('alice', {agent: 'Named'});
  await signIn(page, ADMIN, '#/users/example.com/alice');
  await row(page, 'Named').first().waitFor();
  for (const hash of ['#/users/example.com/alice', '#/']) {
    await page.goto(`${service.url}/${hash}`);
    await page.locator('table').first().waitFor();
    const nameless = await page.evaluate(() => [...document.querySelectorAll('button, a, input, select, table')].filter((node) =>
      node.checkVisibility() && !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length)).map((node) => node.outerHTML));
    assert.deepEqual(nameless, []);
  }
});

test('it fits a phone', async ({browser, service}) => {
  const page = await openPage(browser, service, {viewport: {width: 360, height: 740}});
  page.service = service;
  await service.register('alice', {agent: `Long ${'x'.repeat(60)}`});
  await signIn(page, ADMIN, '#/users/example.com/alice');
  await state(page).getByText('is registered').waitFor();
  for (const target of ['/#/', '/#/users/example.com/alice', '/docs']) {
    await page.goto(service.url + target);
    await page.locator('main > *').nth(1).waitFor();
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(over, 0, `${target} is ${over} pixels too wide`);
  }
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

test('the reference has every operation, and reads the document as another reader does', async ({page, service}) => {
  const other = JSON.parse(execFileSync('/usr/bin/python3', ['-c',
    'import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)', `${ROOT}/openapi.yaml`], {maxBuffer: 1 << 26}));
  await page.goto(`${service.url}/docs`);
  await page.locator('section.operation').first().waitFor();
  const own = await page.evaluate(async () => (await import('./assets/yaml.js')).parse(await (await fetch('openapi.yaml')).text()));
  assert.deepEqual(own, other);
  const ids = Object.values(other.paths).flatMap((item) => Object.values(item)).map((o) => o.operationId).filter(Boolean);
  const shown = await page.locator('section.operation').evaluateAll((nodes) => nodes.map((node) => node.id));
  assert.deepEqual([...shown].sort(), [...ids].sort());
  assert.equal(await page.getByText('[object').count(), 0);
  const put = page.locator('#putUser');
  for (const text of ['keep_bindings', '412', 'application/json']) await put.getByText(text, {exact: true}).first().waitFor();
});

test('the reference can be tried', async ({page, service}) => {
  await page.goto(`${service.url}/docs#getUser`);
  const get = page.locator('#getUser');
  await get.getByText('Try it').click();
  await get.getByLabel('username').fill('alice');
  await get.getByLabel('Token').fill(ADMIN);
  await get.getByRole('button', {name: 'Send'}).click();
  await get.locator('.answer').getByText('"aor": "sip:alice@example.com"').waitFor();
  assert.match(await get.locator('.answer').textContent(), /^HTTP 200/);
});

test('without a token on loopback nothing is asked', async ({browser}) => {
  const open = await new Service().start({ROLLCALL_API_ADMIN_TOKEN: '', ROLLCALL_API_READ_TOKEN: ''});
  try {
    const page = await openPage(browser, open);
    await page.goto(open.url);
    await page.getByText('Nobody is registered.').waitFor();
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  } finally {
    await open.stop();
  }
});

// ---- Running them: each on a service and a page of its own

async function run(browser, {name, body}) {
  const service = await new Service().start();
  let page;
  try {
    await service.user('alice');
    await service.user('bob');
    page = await openPage(browser, service);
    page.service = service;
    await body({browser, page, service});
    assert.deepEqual(page.wrong, [], 'what must not be');
  } catch (error) {
    if (process.env.ROLLCALL_SHOTS) await page?.screenshot({path: `${process.env.ROLLCALL_SHOTS}/${name.replaceAll(/\W+/g, '-')}.png`});
    throw error;
  } finally {
    await page?.context().close();
    await service.stop();
  }
}

const only = process.argv[2] ?? '';
const browser = await launch();
let failed = 0;
for (const one of tests.filter(({name}) => name.includes(only))) {
  try {
    await run(browser, one);
    console.log(`passed\t${one.name}\t`);
  } catch (error) {
    failed++;
    console.log(`failed\t${one.name}\t${String(error.message).replaceAll(/\s+/g, ' ').slice(0, 300)}`);
    console.error(error);
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
