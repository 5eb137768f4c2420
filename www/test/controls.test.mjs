// Protects the visitor's hold on the race: it rests, steps, begins anew and recovers when told, and rests while nobody looks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, events, heard, screenshot, server, silent, start, visit } from './site.mjs';

const RACE = '#task=lab/lift&demos=3&seed=0&speed=0.1';

const press = (page, name) => page.getByRole('toolbar').getByRole('button', { name, exact: true }).click();

/** Waits until both arms have told how far they are, since then; returns what they said first. */
async function both(page, since) {
  return Promise.all([0, 1].map((lane) => heard(page, (event, lane) => event.type === 'phase' && event.lane === lane, lane, since)));
}

test('Pause rests, Start goes on, Step does a little, and Reset begins at zero', () =>
  visit(server.url + RACE, async (page) => {
    await start(page);
    await heard(page, (event) => event.type === 'phase' && event.done > 0);

    await press(page, 'Pause');
    await silent(page);

    const goesOn = await count(page);
    await press(page, 'Start');
    await both(page, goesOn);
    await heard(page, (event) => event.type === 'phase' && event.phase !== 'demos', undefined, goesOn);

    await press(page, 'Pause');
    await silent(page);
    const reset = await count(page);
    await press(page, 'Reset');
    await both(page, reset);
    await silent(page);
    const zero = (await events(page, reset, 'phase')).slice(-2);
    assert.deepEqual(zero.map(({ phase, done }) => [phase, done]), [['demos', 0], ['demos', 0]]);

    const step = await count(page);
    await press(page, 'Step');
    await both(page, step);
    await silent(page);
    const stepped = (await events(page, step, 'phase')).slice(-2);
    for (const { phase, done } of stepped) assert.deepEqual([phase, done], ['demos', 1]);
  }));

test('a page that nobody sees does not learn, and goes on when it is seen', () =>
  visit(server.url + RACE, async (page) => {
    const show = (state) => page.evaluate((state) => {
      Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
      Object.defineProperty(document, 'hidden', { value: state === 'hidden', configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
    await start(page);
    await heard(page, (event) => event.type === 'phase' && event.done > 0);
    await show('hidden');
    await silent(page);
    const since = await count(page);
    await show('visible');
    await both(page, since);
    await heard(page, (event) => event.type === 'metrics', undefined, since);
  }));

test('an arm whose worker dies says so, the other goes on, and it can be started again', () =>
  visit(server.url + RACE, async (page) => {
    await start(page);
    await heard(page, (event) => event.type === 'phase' && event.lane === 1);
    const before = await count(page);
    await page.workers()[0].evaluate(() => { setTimeout(() => { throw new Error('the test wanted it'); }); });
    const alert = page.getByRole('alert');
    await alert.getByText('the test wanted it').waitFor();
    assert.equal(await alert.count(), 1);
    const { message } = await heard(page, (event) => event.type === 'error', undefined, before);
    assert.match(message, /the test wanted it/);
    await screenshot(page, 'race-worker-died');

    const lane = (await page.getByRole('region', { name: 'Lane BC' }).getByRole('alert').count()) ? 0 : 1;
    const since = await count(page);
    await heard(page, (event, lane) => event.type === 'phase' && event.lane !== lane, lane, since);
    await page.getByRole('button', { name: 'Start it again' }).click();
    await heard(page, (event, lane) => event.type === 'phase' && event.lane === lane && event.done > 0, lane, since);
    assert.equal(await alert.count(), 0);
  }));

test('what is typed and dragged stays while the arms learn', () =>
  visit(server.url + RACE, async (page) => {
    await start(page);
    await heard(page, (event) => event.type === 'phase' && event.done > 0);
    const seed = page.getByLabel('Seed');
    await seed.fill('41');
    await both(page, await count(page));
    assert.equal(await seed.inputValue(), '41');
    const demos = page.locator('input[name=demos]');
    await demos.evaluate((slider) => { slider.value = 9; slider.dispatchEvent(new InputEvent('input', { bubbles: true })); });
    await both(page, await count(page));
    assert.equal(await demos.inputValue(), '9');
  }));

test('when the learning part cannot be loaded the page says so, and another attempt works', () =>
  visit(
    server.url + RACE,
    async (page, context) => {
      await context.route('**/worker_bg.wasm', (route) => (route.request().method() === 'GET' ? route.fulfill({ status: 500 }) : route.continue()));
      await page.locator('protege-demo .caption button').click();
      await page.getByText(/worker_bg\.wasm answered 500/).waitFor();
      await context.unroute('**/worker_bg.wasm');
      await page.getByRole('button', { name: 'Try again' }).click();
      await both(page, 0);
    },
    { expected: [/500/, /worker_bg\.wasm net::ERR_ABORTED/] },
  ));
