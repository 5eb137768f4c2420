// Protects visitors whose browser cannot draw in 3D: they are told what is missing, and what needs no picture works.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heard, screenshot, server, start, visit } from './site.mjs';

const switches = ['--disable-gpu', '--disable-3d-apis'];

for (const path of ['', 'teach.html']) {
  test(`/${path} says that WebGL 2 is missing, and what to do`, () =>
    visit(server.url + path, async (page) => {
      const button = page.locator('protege-demo .caption button');
      await button.click();
      await page.getByText(/WebGL 2 is missing.*hardware acceleration/).waitFor();
      assert.ok(await button.isHidden(), 'there is nothing to try again');
      await heard(page, (event) => event.type === 'error');
      await screenshot(page, `no-webgl-${path.replace('.html', '') || 'race'}`);
    }, { switches }));
}

test('the theory works without', () =>
  visit(`${server.url}tutorial/2-the-posterior.html`, async (page) => {
    await start(page);
    await page.locator('.protege-theory .curve path').first().waitFor({ state: 'attached' });
  }, { switches }));
