// Protects files: what is trained here can be kept and used again, and a damaged file costs nothing but a sentence.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choose, count, header, heard, saved, server, start, visit } from './site.mjs';

const RACE = '#task=lab/lift&demos=3&seed=0&pretrain=bc&speed=0.1';

/** Waits until the race has begun anew since then, and tells what it did first. */
async function firstPhase(page, since) {
  const begun = await heard(page, (event) => event.type === 'state', undefined, since);
  const { phase } = await heard(page, (event, begun) => event.type === 'phase' && event.at >= begun && event.total > 0, begun.at, since);
  return phase;
}

test('demonstrations and a policy are saved, and a fresh race with that policy skips pretraining', async () => {
  let policy;
  let demos;
  await visit(server.url + RACE, async (page) => {
    await start(page);
    await heard(page, (event) => event.type === 'phase' && event.phase === 'evaluate' && event.lane === 0);
    demos = await saved(page, 'Save demonstrations', 'demos.safetensors');
    policy = await saved(page, 'Save the policy of BC', 'policy.safetensors');
  });
  assert.match(JSON.stringify(header(demos)), /lab\/lift/);
  assert.match(JSON.stringify(header(policy)), /archive/);
  assert.ok(policy.includes('lab/lift'), 'the policy says what it was trained for');

  await visit(`${server.url}${RACE}`, async (page) => {
    await start(page);
    const since = await count(page);
    await choose(page, 'Load a policy', policy);
    assert.equal(await firstPhase(page, since), 'evaluate');
  });

  await visit(`${server.url}#task=lab/lift&demos=30&pretrain=bc&speed=0.1`, async (page) => {
    await start(page);
    const since = await count(page);
    await choose(page, 'Load demonstrations', demos);
    assert.equal(await firstPhase(page, since), 'pretrain', 'nobody has to demonstrate');
    const again = await saved(page, 'Save demonstrations', 'demos.safetensors');
    assert.deepEqual(again, demos, 'the demonstrations that were loaded are those that are learned from');
  });
});

test('a damaged file is refused in a sentence, and the race goes on', () =>
  visit(server.url + RACE, async (page) => {
    await start(page);
    await heard(page, (event) => event.type === 'phase' && event.done > 0);
    for (const label of ['Load a policy', 'Load demonstrations']) {
      await choose(page, label, Buffer.from('no tensors in here'));
      const sentence = page.locator('.protege-refused');
      await sentence.waitFor();
      assert.match(await sentence.innerText(), /\w{3,} \w+/);
      await heard(page, (event) => event.type === 'phase' && event.done > 0, undefined, await count(page));
    }
  }));

test('nothing to save yet is a sentence, too', () =>
  visit(`${server.url}${RACE}&demos=30`, async (page) => {
    await start(page);
    await page.getByRole('button', { name: 'Save the policy of BC' }).click();
    await page.getByRole('alert').filter({ hasText: 'there is no policy yet' }).waitFor();
    await heard(page, (event) => event.type === 'phase' && event.done > 0);
  }));
