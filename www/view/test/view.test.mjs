// Tests the view in Chromium: playback, camera, teaching, loss of the graphics context, disposal.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { complaints, launch } from './browser.mjs';
import { serve } from './serve.mjs';

const viewport = { width: 320, height: 240 };
let server;
let browser;

before(async () => {
  server = await serve(0);
  browser = await launch();
});

after(async () => {
  await browser.close();
  server.close();
});

/** Opens the test page, hands it to a check, and sees to it that the console stays empty. */
async function open(query, check, options = {}) {
  const page = await browser.newPage({ viewport, ...options });
  const heard = complaints(page);
  try {
    await page.goto(`http://localhost:${server.address().port}/?${query}`);
    await page.waitForFunction(() => window.view);
    await check(page);
    assert.deepEqual(heard, []);
  } finally {
    await page.close();
  }
}

/** What the picture is now, in short. */
const picture = async (page) => hash(await page.evaluate(() => window.view.snapshot()));
const hash = (url) => createHash('sha256').update(url).digest('hex');

/** Queues a few segments; what they look like, in short. */
async function show(page) {
  await page.evaluate(() => window.episode(1).slice(0, 3).forEach((segment) => window.view.queue(segment)));
  return picture(page);
}

const frames = (page) => page.evaluate(() => window.view.stats().frames);

test('plays and asks for more', () =>
  open('scene=lift&play=1', async (page) => {
    await page.waitForFunction(() => window.view.stats().frames > 10);
    assert.ok((await page.evaluate(() => window.view.buffered)) > 0);
  }));

test('paused, time stands still', () =>
  open('scene=lift', async (page) => {
    const seconds = await page.evaluate(async () => {
      window.view.speed = 0;
      window.view.queue(window.episode(1)[0]);
      const before = window.view.buffered;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return before - window.view.buffered;
    });
    assert.equal(seconds, 0);
  }));

test('still, nothing is redrawn without a change', () =>
  open('scene=assembly&still=1', async (page) => {
    await show(page);
    const count = await frames(page);
    await page.waitForTimeout(300);
    assert.equal(await frames(page), count);
  }));

test('surfaces are lit by the room around them', () =>
  open('scene=lift&still=1', async (page) => {
    const table = await page.evaluate(async () => {
      const picture = await createImageBitmap(await (await fetch(window.view.snapshot())).blob());
      const context = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
      context.drawImage(picture, 0, 0);
      return [...context.getImageData(8, picture.height - 8, 1, 1).data];
    });
    // As by three.js's PMREMGenerator; without the room it is 196, 190, 184.
    [242, 236, 228].forEach((level, i) => assert.ok(Math.abs(table[i] - level) <= 4, `the table is ${table}`));
  }));

test('a learned reward is drawn where it is high, and can be hidden', () =>
  open('scene=lift&still=1', async (page) => {
    const drawn = (share, shown) =>
      page.evaluate(
        ([share, shown]) => {
          const segment = window.episode(1)[0];
          const dots = segment.cloud.flatMap((line) => [...line.slice(-3), share]);
          window.view.overlays({ rewards: shown });
          window.view.queue({ ...segment, rewards: new Float32Array(dots) });
          return window.view.snapshot();
        },
        [share, shown],
      );
    const without = hash(await drawn(0, true));
    assert.notEqual(hash(await drawn(0.9, true)), without);
    assert.equal(hash(await drawn(0.9, false)), without);
  }));

test('keys, pointer and wheel move the camera, and a double click resets it', () =>
  open('scene=lift&still=1', async (page) => {
    const home = await show(page);
    await page.mouse.wheel(0, 200);
    assert.equal(await picture(page), home, 'the wheel is for the page until the canvas has the focus');
    await page.focus('canvas');
    for (const key of ['ArrowLeft', 'ArrowUp', '+']) {
      const before = await picture(page);
      await page.keyboard.press(key);
      assert.notEqual(await picture(page), before, key);
    }
    await page.keyboard.press('0');
    assert.equal(await picture(page), home);
    await page.mouse.move(100, 100);
    await page.mouse.down();
    await page.mouse.move(160, 120);
    await page.mouse.up();
    assert.notEqual(await picture(page), home);
    await page.mouse.dblclick(100, 100);
    assert.equal(await picture(page), home);
    await page.mouse.wheel(0, 200);
    assert.notEqual(await picture(page), home);
  }));

test('dragging moves the hand from where it is', () =>
  open('scene=lift&still=1&drag=1', async (page) => {
    await show(page);
    const hand = await page.evaluate(() => [...window.episode(1)[2].poses.slice(-35).slice(0, 3)]);
    const last = () => page.evaluate(() => window.drags.at(-1));
    /** Waits until what is told differs from before. */
    const next = async (before) => {
      await page.waitForFunction((old) => JSON.stringify(window.drags.at(-1)) !== old, JSON.stringify(before));
      await page.waitForTimeout(500);
      return last();
    };
    await page.mouse.move(60, 60);
    await page.mouse.down();
    const start = await next(undefined);
    assert.ok(start.active);
    assert.ok(Math.hypot(start.x - hand[0], start.y - hand[1], start.z - hand[2]) < 1e-3);
    await page.mouse.move(90, 60);
    const slid = await next(start);
    assert.ok(slid.x > start.x + 0.02);
    assert.equal(slid.z, start.z);
    await page.keyboard.down('Shift');
    await page.mouse.move(90, 30);
    const lifted = await next(slid);
    assert.ok(lifted.z > slid.z + 0.02);
    assert.equal(lifted.x, slid.x);
    await page.keyboard.up('Shift');
    await page.mouse.up();
    const ended = await next(lifted);
    assert.equal(ended.active, false);
    const told = await page.evaluate(() => window.drags.length);
    await page.evaluate(() => window.view.disableDrag());
    await page.waitForTimeout(100);
    assert.equal(await page.evaluate(() => window.drags.length), told);
  }));

test('a lost graphics context comes back with the same picture', () =>
  open('scene=box_close&still=1', async (page) => {
    const before = await show(page);
    await page.evaluate(async () => {
      const canvas = document.querySelector('canvas');
      const extension = canvas.getContext('webgl2').getExtension('WEBGL_lose_context');
      const heard = (type) => new Promise((resolve) => canvas.addEventListener(type, () => setTimeout(resolve, 100)));
      const lost = heard('webglcontextlost');
      extension.loseContext();
      await lost;
      window.view.setTheme('dark');
      window.view.setTheme('light');
      const restored = heard('webglcontextrestored');
      extension.restoreContext();
      await restored;
    });
    assert.equal(await picture(page), before);
  }));

test('a view that is disposed leaves the canvas to the next', () =>
  open('scene=pick_place&still=1', async (page) => {
    const before = await show(page);
    await page.evaluate(() => {
      window.view.dispose();
      window.view = window.create();
    });
    assert.equal(await show(page), before);
  }));
