// Protects visitors whose browser cannot draw in 3D: they are told what is missing, and what needs no picture works.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { heard, launch, screenshot, serve, start, visit } from './site.mjs';

let server;
let browser;

before(async () => {
  server = await serve();
  browser = await launch(['--disable-gpu', '--disable-3d-apis']);
});

after(async () => {
  await browser.close();
  server.close();
});

for (const path of ['', 'teach.html']) {
  test(`/${path} says that WebGL 2 is missing, and what to do`, () =>
    visit(browser, server.url + path, async (page) => {
      const button = page.locator('protege-demo .caption button');
      await button.click();
      await page.getByText(/WebGL 2 is missing.*hardware acceleration/).waitFor();
      assert.ok(await button.isHidden(), 'there is nothing to try again');
      await heard(page, (event) => event.type === 'error');
      await screenshot(page, `no-webgl-${path.replace('.html', '') || 'race'}`);
    }));
}

test('the theory works without', () =>
  visit(browser, `${server.url}tutorial/2-the-posterior.html`, async (page) => {
    await start(page);
    await page.locator('.protege-theory .curve path').first().waitFor({ state: 'attached' });
  }));
