// SPDX-License-Identifier: Apache-2.0
// Pictures of the pages for the README and docs: node tests/browser/shots.mjs FOLDER
import {ADMIN, launch, openPage, Service} from './service.mjs';

const folder = process.argv[2] ?? '.';
const PEOPLE = [
  ['1001', 'Ada Lovelace', 'Snom D785/10.1.175'], ['1002', 'Grace Hopper', 'Yealink SIP-T54W 96.86.0.100'],
  ['1003', 'Alan Turing', 'baresip v1.0.0'], ['1004', 'Hedy Lamarr', 'Linphone-Desktop/5.2'],
  ['1005', 'Karen Spärck Jones', 'Grandstream GXP2170 1.0.11'], ['1006', 'Edsger Dijkstra', 'MicroSIP/3.21.5'],
  ['1007', 'Barbara Liskov', 'PolycomVVX-VVX_450/6.4'], ['1008', 'Radia Perlman', 'Cisco/SPA504G-7.6.2'],
  ['1009', 'Vint Cerf', 'Zoiper rv2.10'], ['1010', 'Frances Allen', 'Snom D735/10.1.175'],
  ['1011', 'Ken Thompson', 'Obihai/OBi202-3.2.2'], ['1012', 'Margaret Hamilton', 'Fanvil X6U 2.12'],
];

const service = await new Service().start();
for (const [name, display, agent] of PEOPLE) {
  await service.user(name, {display_name: display, labels: {site: 'north'}});
  if (name !== '1008') await service.register(name, {agent, password: 'secret', expires: 600 + Number(name) % 7 * 480});
}
await service.user('alice', {display_name: 'Alice'});
const browser = await launch();

async function signedIn(options) {
  const page = await openPage(browser, service, {deviceScaleFactor: 1, ...options});
  await page.goto(service.url);
  await page.getByLabel('Token').fill(ADMIN);
  await page.getByRole('button', {name: 'Sign in'}).click();
  await page.getByText('Grace Hopper').or(page.getByText('1002@example.com')).first().waitFor();
  return page;
}

const light = await signedIn({colorScheme: 'light'});
const dark = await signedIn({colorScheme: 'dark'});
const narrow = await signedIn({colorScheme: 'light', viewport: {width: 390, height: 844}});
const bursts = [3, 6, 9, 7, 12, 10, 15, 11, 8, 13, 9];
for (const [i, size] of bursts.entries()) {
  const next = new Promise((resolve) => setTimeout(resolve, 2000));
  for (let n = 0; n < size; n++) await service.register(PEOPLE[n % 12][0], {agent: PEOPLE[n % 12][2], password: PEOPLE[n % 12][0] === '1008' ? 'wrong' : 'secret', expires: 600 + n * 240});
  if (i === 5) await service.register('1008', {agent: 'Cisco/SPA504G-7.6.2', password: 'wrong'});
  await next;
}
for (const [name, page] of Object.entries({light, dark, narrow})) await page.screenshot({path: `${folder}/status-${name}.png`});
for (const [name, page] of Object.entries({light, dark, narrow})) {
  await page.goto(`${service.url}/#/users/example.com/1008`);
  await page.getByText('wrong password').first().waitFor();
  await page.screenshot({path: `${folder}/user-${name}.png`});
}
await light.goto(`${service.url}/#/users/example.com/1002`);
await light.getByText('is registered from').first().waitFor();
await light.screenshot({path: `${folder}/registered-light.png`});
const docs = await openPage(browser, service, {colorScheme: 'light'});
await docs.goto(`${service.url}/docs#putUser`);
await docs.getByText('Create or replace a user').last().waitFor();
await docs.screenshot({path: `${folder}/docs-light.png`});
console.log([light, dark, narrow, docs].flatMap((page) => page.wrong));
await browser.close();
await service.stop();
