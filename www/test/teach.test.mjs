// Protects teaching: what a visitor shows is recorded, kept, played again, carried away and brought back, and learned from.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choose, count, header, heard, listen, saved, screenshot, server, start, visit } from './site.mjs';

/**
 * Opens the teaching page with a task. `eyes`, in the page, is what a visitor sees in the picture: where
 * the hand, the object and the ring that is dragged are.
 */
const teach = (task, check) =>
  visit('about:blank', async (page, context) => {
    await context.route('**/view.js', (route) => route.fulfill({ contentType: 'text/javascript', body: EYES }));
    await page.goto(`${server.url}teach.html#task=${task}`);
    await start(page);
    await page.locator('.clock').waitFor();
    await check(page);
  }, { viewport: { width: 640, height: 600 } });

const EYES = `
import { View as Real } from './view.js?real';
export { available } from './view.js?real';
export class View extends Real {
  constructor(canvas, scene, options) {
    super(canvas, scene, options);
    const body = (index) => [...this.last.slice(7 * index, 7 * index + 3)];
    window.eyes = () => ({ hand: body(scene.grip), object: body(this.object), ring: this.ring });
    this.bodies = scene.bodies.length;
    this.object = scene.bodies.indexOf('object');
  }
  queue(segment) {
    this.last = segment.poses.slice(-7 * this.bodies);
    const frames = segment.poses.length / (7 * this.bodies);
    window.highest = Math.max(window.highest ?? 0, ...Array.from({ length: frames }, (_, frame) => segment.poses[7 * (frame * this.bodies + this.object) + 2]));
    super.queue(segment);
  }
  enableDrag(callback) {
    super.enableDrag((drag) => {
      this.ring = drag.active && [drag.x, drag.y, drag.z];
      callback(drag);
    });
  }
}`;

/** Seconds on the clock of the present demonstration. */
const clock = async (page) => parseFloat(await page.locator('.clock').innerText());

/** Waits until the clock has moved on by this many seconds of the robot's time, or the demonstration ended. */
async function pass(page, seconds) {
  const from = await clock(page);
  const moved = ([from, seconds]) => {
    const now = parseFloat(document.querySelector('.clock').textContent);
    return now < from || now >= from + seconds;
  };
  await page.waitForFunction(moved, [from, seconds]);
}

/** What is seen two pictures later, when what the pointer did has been told. */
const look = (page) => page.evaluate(() => new Promise((resolve) => {
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(window.eyes())));
}));

/** Moves the pointer, `from` where it is, until the ring is over the object; returns where the pointer is then. */
async function dragOver(page, from) {
  const [step, tries] = [30, 4];
  const shift = async ([x, y]) => {
    await page.mouse.move(x, y);
    const { ring, object } = await look(page);
    return [object[0] - ring[0], object[1] - ring[1]];
  };
  let at = from;
  const here = await shift(at);
  const [right, down] = [await shift([at[0] + step, at[1]]), await shift([at[0], at[1] + step])];
  const [a, b, c, d] = [right[0] - here[0], down[0] - here[0], right[1] - here[1], down[1] - here[1]].map((v) => v / step);
  const determinant = a * d - b * c;
  for (let i = 0; i < tries; i += 1) {
    const [u, v] = await shift(at);
    at = [at[0] - (d * u - b * v) / determinant, at[1] - (a * v - c * u) / determinant];
  }
  const [u, v] = await shift(at);
  assert.ok(Math.hypot(u, v) < 0.005, 'the ring follows the pointer');
  return at;
}

/** With Shift, moves the pointer up or down until the ring is at this height (m). */
async function dragTo(page, height, [x, y]) {
  await page.keyboard.down('Shift');
  const step = 20;
  const before = (await look(page)).ring[2];
  await page.mouse.move(x, y + step);
  const slope = ((await look(page)).ring[2] - before) / step;
  const end = y + (height - before) / slope;
  await page.mouse.move(x, end);
  await page.keyboard.up('Shift');
  return [x, end];
}

/** Shows how to lift the cube: above it, down, close, up. */
async function lift(page) {
  await page.locator('canvas').scrollIntoViewIfNeeded();
  const box = await page.locator('canvas').boundingBox();
  let at = [box.x + box.width / 2, box.y + box.height / 3];
  const close = () => page.waitForFunction(() => {
    const { hand, ring } = window.eyes();
    return Math.hypot(...hand.map((v, axis) => v - ring[axis])) < 0.012;
  });
  await page.mouse.move(...at);
  await page.mouse.down();
  await page.waitForFunction(() => window.eyes().ring);
  at = await dragOver(page, at);
  await close();
  at = await dragTo(page, (await look(page)).object[2], at);
  await close();
  await page.keyboard.press(' ');
  await pass(page, 0.2);
  await dragTo(page, 0.15, at);
  await heard(page, (event) => event.type === 'demonstration');
  await page.mouse.up();
}

test('time moves while the hand is dragged, and only then', () =>
  teach('lab/lift', async (page) => {
    const box = await page.locator('canvas').boundingBox();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const still = await page.locator('canvas').screenshot();
    assert.equal(await clock(page), 0);
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 90, y + 30, { steps: 6 });
    await pass(page, 0.5);
    await screenshot(page, 'teach-dragging');
    await page.mouse.up();
    assert.ok(!still.equals(await page.locator('canvas').screenshot()), 'the picture shows the hand elsewhere');
    await page.waitForTimeout(300);
    const held = await clock(page);
    await page.waitForTimeout(1000);
    assert.equal(await clock(page), held);
    await page.getByRole('button', { name: 'Begin again' }).click();
    await page.waitForFunction(() => parseFloat(document.querySelector('.clock').textContent) === 0);
  }));

test('a demonstration is kept, played again, saved, deleted, loaded, and learned from', () =>
  teach('lab/lift', async (page) => {
    const list = page.getByRole('complementary', { name: 'Demonstrations' }).getByRole('listitem');
    assert.ok(await page.getByRole('button', { name: 'Learn from these' }).isDisabled());
    await page.getByRole('slider', { name: 'Pace' }).press('Home');
    await lift(page);
    await page.getByText('Well done. That is demonstration 1').waitFor();
    assert.equal(await list.count(), 1);
    await screenshot(page, 'teach-kept', { fullPage: true });

    const dialogs = [];
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.type());
      dialog.dismiss();
    });
    const kept = page.url();
    await page.getByRole('link', { name: 'Race', exact: true }).click({ noWaitAfter: true });
    for (let i = 0; i < 50 && !dialogs.length; i += 1) await page.waitForTimeout(100);
    assert.deepEqual(dialogs, ['beforeunload'], 'whoever leaves is asked');
    assert.equal(page.url(), kept);

    await page.getByLabel('Task').selectOption('lab/door');
    await page.getByText('Your demonstrations: 0').waitFor();
    assert.ok(await asks(page), 'another task is no reason to forget the first');
    await page.getByLabel('Task').selectOption('lab/lift');
    await page.getByText('Your demonstrations: 1').waitFor();

    await page.evaluate(() => { window.highest = 0; });
    await page.getByRole('button', { name: 'Replay demonstration 1' }).click();
    await page.waitForFunction(() => window.highest > 0.03);

    const file = await saved(page, 'Save', 'demos.safetensors');
    const { __metadata__: { protege } } = header(file);
    assert.equal(JSON.parse(protege).format, 'dataset');
    assert.match(JSON.stringify(header(file)), /lab\/lift/);
    await page.waitForFunction(() => dispatchEvent(new Event('beforeunload', { cancelable: true })));
    assert.ok(!(await asks(page)), 'what is in a file is not lost');

    await page.getByRole('button', { name: 'Delete demonstration 1' }).click();
    await page.getByText('Your demonstrations: 0').waitFor();
    await choose(page, 'Load', Buffer.from('no tensors in here'));
    await page.locator('.message').filter({ hasText: /not a file/ }).waitFor();
    assert.ok(!(await page.locator('.message').innerText()).includes('`'), 'a command is shown as one pastes it');
    await choose(page, 'Load', file);
    await page.getByText('Your demonstrations: 1').waitFor();
    await page.getByText('Demonstrations loaded from the file: 1.').waitFor();

    await learn(page, 'Learning from 1 demonstration of yours', 1);
    await screenshot(page, 'teach-learning', { fullPage: true });
    await page.getByLabel('Lanes').selectOption('post-bc');
    await page.locator('.protege-lanes.of-1').waitFor();
    await choose(page, 'Load', file);
    await page.getByText('Your demonstrations: 2').waitFor();
    await learn(page, 'Learning from 2 demonstrations of yours', 2);
    assert.equal(await page.locator('.protege-lane').count(), 1, 'what was chosen for learning stays');
  }));

/** Whether whoever left the page now would be asked. */
const asks = (page) => page.evaluate(() => !dispatchEvent(new Event('beforeunload', { cancelable: true })));

/** Lets policies learn from what was taught, and looks at what they learn from. */
async function learn(page, title, demonstrations) {
  const since = await count(page);
  await page.getByRole('button', { name: 'Learn from these' }).click();
  const region = page.getByRole('region', { name: 'Learning from you' });
  await region.getByText(title).waitFor();
  await heard(page, (event) => event.type === 'phase' && event.phase === 'pretrain', undefined, since);
  const learned = header(await saved(page, 'Save demonstrations', 'demos.safetensors'));
  assert.equal(JSON.parse(learned.__metadata__.protege).episodes.length, demonstrations);
}

test('nobody is asked in a frame, nor once everything is saved', async () => {
  const say = (count) => document.querySelector('protege-demo').dispatchEvent(new CustomEvent('protege-unsaved', { detail: { count } }));
  await visit(`${server.url}teach.html`, async (page) => {
    assert.ok(!(await asks(page)));
    await page.evaluate(say, 2);
    assert.ok(await asks(page));
    await page.evaluate(say, 0);
    assert.ok(!(await asks(page)));
  });
  const host = await listen(async () => ({
    status: 200,
    type: 'text/html',
    body: Buffer.from(`<!doctype html><link rel="icon" href="data:,"><iframe src="${server.url}teach.html" title="protege"></iframe>`),
  }));
  await visit(host.url, async (page) => {
    const frame = page.frames()[1];
    await frame.locator('protege-demo .panel svg').waitFor();
    await frame.evaluate(say, 2);
    assert.ok(!(await asks(frame)));
  }).finally(() => host.close());
});

test('another task begins with another scene', () =>
  teach('lab/lift', async (page) => {
    const since = await count(page);
    await page.getByLabel('Task').selectOption('lab/assembly');
    await heard(page, (event) => event.type === 'ready', undefined, since);
    await page.getByText('Put the ring over the peg.').waitFor();
  }));
