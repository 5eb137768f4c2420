// Protects the choice of a GPU: where it cannot work it is not offered, and the page says why. Chromium's software adapter stands for
// a GPU; the site that is tested is built without the program for GPUs, as that takes twenty minutes more.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heard, launch, serve, start, visit } from './site.mjs';

const RACE = '#task=lab/lift&demos=3&pretrain=bc&seed=0';

let server;
let browser;

before(async () => {
  server = await serve();
  browser = await launch(['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']);
});

after(async () => {
  await browser.close();
  server.close();
});

const devices = (page) => page.getByLabel('Device', { exact: false }).locator('option').allTextContents();

test('a site without the program for GPUs says so, and learns on the CPU', () =>
  visit(browser, server.url + RACE, async (page) => {
    await start(page);
    await page.getByText('This site was built without the program for GPUs.').first().waitFor({ state: 'attached' });
    assert.deepEqual(await devices(page), ['CPU']);
    await heard(page, (event) => event.type === 'phase' && event.done > 0);
  // The browser itself reports the file that was asked for and is not there.
  }, { expected: [/404/] }));
