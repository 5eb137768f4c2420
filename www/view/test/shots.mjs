// Takes pictures of all scenes in both themes and two sizes: node shots.mjs [OUTDIR [PART-OF-NAME]]. Fails on an error or
// a warning in the console.
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { complaints, launch } from './browser.mjs';
import { serve } from './serve.mjs';

const out = process.argv[2] ?? join(tmpdir(), 'view-shots');
const only = process.argv[3] ?? '';
const sizes = [
  { width: 1200, height: 700 },
  { width: 320, height: 240 },
];
// Segments that are played before the picture.
const moments = { lift: 3, pick_place: 11, box_close: 13, assembly: 12, shapes: 3 };

await mkdir(out, { recursive: true });
const server = await serve(0);
const browser = await launch();
const bad = new Set();
try {
  for (const viewport of sizes) {
    const page = await browser.newPage({ viewport });
    const heard = complaints(page);
    for (const [scene, moment] of Object.entries(moments)) {
      for (const theme of ['light', 'dark']) {
        const name = `${scene}-${theme}-${viewport.width}`;
        if (!name.includes(only)) continue;
        await page.goto(`http://localhost:${server.address().port}/?scene=${scene}&theme=${theme}&still=1`);
        await page.waitForFunction(() => window.view);
        await page.evaluate((count) => {
          for (const segment of window.episode(3).slice(0, count)) window.view.queue(segment);
        }, moment);
        await page.waitForFunction(() => window.view.stats().frames > 0);
        await page.screenshot({ path: join(out, `${name}.png`) });
        console.log(name);
      }
    }
    for (const complaint of heard) bad.add(complaint);
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}
for (const complaint of bad) console.error(complaint);
process.exitCode = bad.size ? 1 : 0;
