// Protects visitors who see little or listen to the page: everything has a name, and all text stands out from what is behind it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heard, screenshot, server, start, visit } from './site.mjs';

const PAGES = {
  '#task=lab/lift&demos=1&pretrain=bc,sigma-bc,post-bc&speed=0.1': async (page) => {
    await heard(page, (event) => event.type === 'metrics');
    // A page that learns leaves no time for its picture, which the processor draws, too.
    await page.getByRole('toolbar').getByRole('button', { name: 'Pause', exact: true }).click();
  },
  'teach.html#task=lab/lift': (page) => page.locator('.clock').waitFor(),
  'tutorial/2-the-posterior.html': (page) => page.locator('.protege-theory .curve path').first().waitFor({ state: 'attached' }),
};

/** In the page: what lacks a name, and headings of the first level that are too few or too many. */
function nameless() {
  const labels = (element) => [...(element.labels ?? [])].map((label) => label.textContent).join(' ');
  const said = (element) => (element.localName === 'button' ? element.textContent : '');
  const name = (element) => element.getAttribute('aria-label') || labels(element) || said(element);
  const roots = [document, ...[...document.querySelectorAll('protege-demo')].map((demo) => demo.shadowRoot)];
  const controls = roots.flatMap((root) => [...root.querySelectorAll('button, input, select, canvas, [role=img]')]);
  const visible = controls.filter((control) => control.checkVisibility());
  const found = visible.filter((control) => !name(control).trim()).map((control) => control.outerHTML.slice(0, 100));
  const images = [...document.images].filter((image) => !image.hasAttribute('alt')).map((image) => image.outerHTML);
  const titles = document.querySelectorAll('h1').length;
  return [...found, ...images, ...(titles === 1 ? [] : [`${titles} headings of the first level`])];
}

/** In the page: text that does not stand out from its background by 4.5, or 3 where it is large. */
function faint() {
  const pixel = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * below[i]);
  const parent = (element) => element.assignedSlot ?? element.parentElement ?? element.getRootNode().host;
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(parent(element)));
  };
  const light = (color) => {
    const [r, g, b] = color.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const needed = ({ fontSize, fontWeight }) => (parseFloat(fontSize) >= (fontWeight >= 600 ? 18.66 : 24) ? 3 : 4.5);
  const own = (element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const texts = [...document.querySelectorAll('body, body *')].filter((element) =>
    own(element) && element.checkVisibility({ visibilityProperty: true }) && !element.closest(':disabled, script, style, option, noscript, .skip'));
  const found = texts.flatMap((element) => {
    const style = getComputedStyle(element);
    const back = behind(element);
    const ratio = contrast(over(rgba(element instanceof SVGElement ? style.fill : style.color), back), back);
    return ratio < needed(style) ? [`${element.localName}.${element.getAttribute('class') ?? ''} ${ratio.toFixed(2)}: ${element.textContent.trim().slice(0, 30)}`] : [];
  });
  return [...new Set(found)];
}

/** The colors that visitors ask for; the page follows at once. */
async function inEachScheme(page, check) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await check(colorScheme);
  }
}

for (const [path, running] of Object.entries(PAGES)) {
  test(`/${path} has names and stands out, light and dark`, () =>
    visit(server.url + path, async (page) => {
      await page.locator('protege-demo .panel').first().waitFor();
      assert.deepEqual(await page.evaluate(nameless), []);
      await inEachScheme(page, async (scheme) => assert.deepEqual(await page.evaluate(faint), [], `${scheme}, before the start`));
      await start(page);
      await running(page);
      assert.deepEqual(await page.evaluate(nameless), []);
      await inEachScheme(page, async (scheme) => {
        await screenshot(page, `access-${path.match(/^\w*/)[0] || 'race'}-${scheme}`, { fullPage: true });
        assert.deepEqual(await page.evaluate(faint), [], scheme);
      });
    }));
}
