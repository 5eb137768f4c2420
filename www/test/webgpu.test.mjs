// Protects the choice of a GPU: learning on it moves, the page says which device is faster, and where it cannot work it is not
// offered, and the page says why. Chromium's software adapter stands for a GPU: slow, but as correct as one.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SITE, count, heard, server, start, visit } from './site.mjs';

const RACE = '#task=lab/lift&demos=1&pretrain=bc&seed=0&speed=0.1';

/** Two busy cores took a minute for the first hundred updates. */
const LIMIT = 540_000;

const skip = existsSync(join(SITE, 'worker_gpu.js')) ? false : 'the site was built without the program for GPUs (cargo xtask web --webgpu)';

const switches = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const device = (page) => page.getByLabel('Device', { exact: false });

/** In the page: the losses of cloning that were told from event `since` on, as (updates, loss), two or more. */
const losses = (since) => {
  const values = window.heard.slice(since).filter((event) => event.type === 'metrics' && 'loss/policy' in event.values);
  return values.length > 1 && values.map((event) => [event.values['time/updates'], event.values['loss/policy']]);
};

test('on the GPU a policy is cloned: the loss falls, and the policy is seen at work', { skip }, (t) =>
  visit(server.url + RACE, async (page) => {
    await start(page);
    await device(page).locator('option[value=webgpu]').waitFor({ state: 'attached' });
    await device(page).selectOption('webgpu');
    const since = await count(page);
    await page.getByText(/Measured just now, one step of learning takes .* on the GPU/).waitFor({ timeout: LIMIT });
    const handle = await page.waitForFunction(losses, since, { polling: 500, timeout: LIMIT });
    const seen = await handle.jsonValue();
    t.diagnostic(`updates and losses: ${JSON.stringify(seen)}`);
    const [[earlier, high], [later, low]] = [seen.at(0), seen.at(-1)];
    assert.ok(later > earlier, `${later} updates after ${earlier}`);
    assert.ok(low < 0.95 * high, `a loss of ${low} after ${high}`);
    await page.getByText('The policy at work').first().waitFor({ timeout: LIMIT });
  }, { switches }));

test('a site without the program for GPUs says so, and learns on the CPU', () =>
  visit('about:blank', async (page) => {
    await page.route('**/worker_gpu.js', (route) => route.fulfill({ status: 404 }));
    await page.goto(server.url + RACE);
    await start(page);
    await page.getByText('This site was built without the program for GPUs.').first().waitFor({ state: 'attached' });
    assert.deepEqual(await device(page).locator('option').allTextContents(), ['CPU']);
    await heard(page, (event) => event.type === 'phase' && event.done > 0);
  // The browser itself reports the file that was asked for and is not there.
  }, { switches, expected: [/404/] }));
