// Protects the choice of a GPU: it is offered only where it can work, says why where it cannot, and tells which is faster. Chromium's
// software adapter stands for a GPU. What needs the program for GPUs runs when the site was built with it (`cargo xtask web --webgpu`).
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SITE, heard, launch, ready, screenshot, serve, visit } from './site.mjs';

const BUILT = existsSync(join(SITE, 'worker_gpu.js'));
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

const start = async (page) => {
  await page.locator('protege-demo .caption button').first().click();
  await ready(page);
};
const devices = (page) => page.getByLabel('Device', { exact: false }).locator('option').allTextContents();

test('a site without the program for GPUs says so, and learns on the CPU', { skip: BUILT && 'this site has the program' }, () =>
  visit(browser, server.url + RACE, async (page) => {
    await start(page);
    await page.getByText('This site was built without the program for GPUs.').first().waitFor({ state: 'attached' });
    assert.deepEqual(await devices(page), ['CPU']);
    await heard(page, (event) => event.type === 'phase' && event.done > 0);
  // The browser itself reports the file that was asked for and is not there.
  }, { expected: [/404/] }));

test('a GPU starts, and the page tells which is faster here', { skip: !BUILT && 'this site has no program for GPUs', timeout: 600_000 }, () =>
  visit(browser, `${server.url}${RACE}&device=webgpu`, async (page) => {
    page.setDefaultTimeout(500_000);
    await start(page);
    assert.deepEqual(await devices(page), ['CPU', 'GPU (WebGPU)']);
    await page.getByText(/Measured just now, one step of learning takes [\d.]+ ms on the CPU and [\d.]+ ms on the GPU/).first().waitFor({ state: 'attached' });
    await screenshot(page, 'webgpu', { fullPage: true });
  }));
