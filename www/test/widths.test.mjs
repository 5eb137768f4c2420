// Protects what is to be read: whatever the width of the window, no page is wider than it, and no text is cut off.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { screenshot, server, visit } from './site.mjs';

const WIDTHS = [320, 390, 768, 1000, 1440];
const PAGES = {
  '': 'front',
  'teach.html': 'teach',
  'tutorial/': 'tutorial',
  'tutorial/1-why-cloning-fails-to-explore.html': 'chapter-1',
  'tutorial/2-the-posterior.html': 'chapter-2',
  'tutorial/3-finetuning-with-five-demos.html': 'chapter-3',
  'embed.html': 'embed',
};

/** In the page: what is wider than its place, and hidden there or to be scrolled. Wide tables are marked as such. */
function cutOff() {
  const roots = [document, ...[...document.querySelectorAll('protege-demo')].map((demo) => demo.shadowRoot)];
  const all = roots.flatMap((root) => [...root.querySelectorAll('body, body *, .caption, .caption *')]);
  const holds = (element) => element.textContent.trim() && !element.closest('svg, .scroll, .skip, script, noscript');
  const cut = (element) => element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== 'visible';
  const found = all.filter((element) => holds(element) && cut(element));
  const wide = document.documentElement.scrollWidth > innerWidth ? ['the page is wider than the window'] : [];
  return [...wide, ...found.map((element) => `${element.localName}.${element.className}: ${element.textContent.trim().slice(0, 60)}`)];
}

for (const [path, name] of Object.entries(PAGES)) {
  test(`/${path} is whole at every width`, () =>
    visit(server.url + path, async (page) => {
      await page.locator('protege-demo .panel svg, .chapters').first().waitFor();
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 800 });
        assert.deepEqual(await page.evaluate(cutOff), [], `at ${width} pixels`);
        await screenshot(page, `${name}-${width}`, { fullPage: true });
      }
    }));
}
