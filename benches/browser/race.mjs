// The race in Chromium: how soon it is there, how fast it learns, how long it holds the page up, how much memory it takes.
import { readFileSync } from 'node:fs';
import { heard, serve, start, visit } from '../../www/test/site.mjs';

const TASK = '#task=lab/lift&demos=3&seed=0';
export const LANES = { 1: 'post-bc', 2: 'bc,post-bc' };

/** The headers of an isolated page, which alone may ask how much memory it takes. */
export const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'cross-origin',
};

const learning = (event) => event.type === 'phase' && event.done > 0;

/** Seconds from the navigation, with nothing cached, to a button that works; from the press to a live race, and to its first progress. */
export async function startup(browser) {
  const server = await serve();
  let figures;
  await visit(browser, server.url + TASK, async (page) => {
    await page.waitForFunction(() => customElements.get('protege-demo') && document.querySelector('protege-demo').shadowRoot);
    const button = await page.evaluate(() => performance.now());
    const press = Date.now();
    await start(page);
    const live = Date.now();
    await heard(page, learning);
    figures = { button_s: button / 1000, live_s: (live - press) / 1000, learning_s: (Date.now() - press) / 1000 };
  });
  server.close();
  return figures;
}

/** Learns for some seconds. Updates and physics steps per second are a worker's mean; milliseconds are of the longest task of the page. */
export async function pace(browser, lanes, still, seconds) {
  const server = await serve();
  let figures;
  await visit(browser, `${server.url}${TASK}&pretrain=${LANES[lanes]}`, async (page) => {
    await start(page);
    await heard(page, learning);
    await page.evaluate(() => {
      window.longest = 0;
      const note = (list) => list.getEntries().forEach((task) => { window.longest = Math.max(window.longest, task.duration); });
      new PerformanceObserver(note).observe({ type: 'longtask' });
    });
    await page.waitForTimeout(1000 * seconds);
    figures = await page.evaluate(() => {
      const last = Object.values(Object.fromEntries(window.heard.filter((event) => event.type === 'phase').map((event) => [event.lane, event])));
      const mean = (key) => last.reduce((sum, event) => sum + event[key], 0) / last.length;
      return { updates_per_s: mean('updatesPerSecond'), physics_steps_per_s: mean('physicsStepsPerSecond'), longest_task_ms: window.longest };
    });
  }, { reducedMotion: still ? 'reduce' : 'no-preference' });
  server.close();
  return figures;
}

/** Megabytes after one minute of racing, and at the end; a race that is over begins again. */
export async function memory(browser, minutes) {
  const server = await serve(ISOLATED);
  let figures;
  await visit(browser, server.url + TASK, async (page) => {
    await start(page);
    await page.evaluate(again);
    await page.waitForTimeout(60_000);
    const first = await megabytes(browser, page);
    await page.waitForTimeout(60_000 * (minutes - 1));
    figures = { first, last: await megabytes(browser, page), minutes, races: await page.evaluate(() => window.races) };
  });
  server.close();
  return figures;
}

/** What the page and its workers hold without WebAssembly, as the page itself can tell, and what their process holds of its own. */
async function megabytes(browser, page) {
  const page_mb = await page.evaluate(async () => (await performance.measureUserAgentSpecificMemory()).bytes / 1e6);
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const held = ({ id }) => Number(/RssAnon:\s*(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))[1]) / 1e3;
  // Other processes of the kind are spare ones, and small.
  return { page_mb, process_mb: Math.max(...processInfo.filter(({ type }) => type === 'renderer').map(held)) };
}

/** In the page: begins anew whenever both lanes have finished. */
function again() {
  const { demo } = document.querySelector('protege-demo');
  const done = new Set();
  window.races = 1;
  demo.on('finished', ({ lane }) => {
    if (done.add(lane).size < 2) return;
    done.clear();
    window.races += 1;
    demo.reset();
  });
  // What is heard is of no use here, and would count.
  setInterval(() => { window.heard.length = 0; }, 1000);
}
