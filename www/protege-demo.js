// <protege-demo>: robot arms that learn in the visitor's browser, in one script tag.
//
//   <script type="module" src="https://…/protege-demo.js"></script>
//   <protege-demo task="lab/lift" pretrain="bc,post-bc" finetune="dsrl" demos="5"></protege-demo>
//
// The element draws a poster at once and loads the app, some megabytes of WebAssembly, when the visitor asks for it. `create`
// does without the poster. Both are described in protege-demo.d.ts.

import { drawing, words } from './protege-poster.js';

const HERE = new URL('.', import.meta.url).href;

const text = String;
/** A number where it is one; anything else goes on as it is, for the app to say what is wrong with it. */
const number = (value) => (value.trim() && Number.isFinite(Number(value)) ? Number(value) : value);
const flag = (value) => value !== 'false';

/** The attributes that are options of the app: those that can change while it runs, and those that make another app. */
const SETTINGS = {
  task: text, pretrain: text, finetune: text, demos: number, alpha: number, members: number, seed: number, speed: number,
};
const FRAME = { kind: text, controls: text, hash: flag, base: text };
const OPTIONS = { ...SETTINGS, ...FRAME, autostart: flag };

/** What the app does where nothing is said: the poster has to know, too. */
const DEFAULTS = {
  kind: 'race', task: 'lab/lift', pretrain: 'bc,post-bc', finetune: 'dsrl', demos: 3, alpha: 1, members: 10, seed: 0, speed: 1,
};

/** The folder that the app's files are in: as given from the page's point of view, or where this module lies. */
const folder = (base) => (base ? new URL(base, document.baseURI).href : HERE);

class Unsupported extends Error {}

/** Asks once, however many elements there are. */
function memo(ask) {
  const known = new Map();
  return (key) => {
    if (!known.has(key)) known.set(key, ask(key));
    return known.get(key);
  };
}

// Loading --------------------------------------------------------------------------------------------------------------------

/** One app per folder and page, however many elements there are: a promise of its module, ready to mount. */
const apps = new Map();
let failures = 0;

function load(base) {
  if (!apps.has(base)) apps.set(base, initialize(base).catch((error) => forget(base, error)));
  return apps.get(base);
}

async function initialize(base) {
  // Some browsers remember that an import failed, so a new attempt needs a new address.
  const app = await import(/* @vite-ignore */ /* webpackIgnore: true */ `${base}app.js${failures ? `?attempt=${failures}` : ''}`);
  await app.default();
  return app;
}

function forget(base, error) {
  apps.delete(base);
  failures += 1;
  throw new Error(`The app could not be loaded (${error.message}). Check the connection and try again.`, { cause: error });
}

/** Links the app's style sheet into the document, or the shadow tree, that the element is in. */
function dress(element, base) {
  const root = element.isConnected ? element.getRootNode() : document;
  const href = `${base}app.css`;
  if ([...root.querySelectorAll('link')].some((link) => link.href === href)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    // Asked for as modules are: a page that isolates itself takes nothing else from another origin.
    const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', crossOrigin: 'anonymous', href, onload: resolve });
    link.onerror = () => {
      link.remove();
      reject(new Error('The app’s style sheet could not be loaded. Check the connection and try again.'));
    };
    (root.head ?? root).append(link);
  });
}

/** What the browser lacks, as a sentence that says what to do; nothing if it has all it takes. */
function lacks(kind) {
  const simd = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
  if (!globalThis.WebAssembly?.validate(new Uint8Array(simd))) {
    return 'This browser cannot run WebAssembly with SIMD. Please update it: Chrome or Edge 91, Firefox 89, Safari 16.4, or anything newer.';
  }
  if (globalThis.origin === 'null') {
    return 'A frame in a sandbox needs allow-same-origin beside allow-scripts: without an origin of its own it can start no workers.';
  }
  if (!hasModuleWorkers()) {
    return 'This browser cannot run modules in workers. Please update it: Chrome or Edge 80, Firefox 114, Safari 15, or anything newer.';
  }
  if (kind !== 'theory' && !hasWebGL2()) {
    return 'WebGL 2 is missing or turned off. Turn on hardware acceleration in the browser’s settings, or try another browser.';
  }
  return undefined;
}

/** Only a browser that knows of module workers asks what type of worker is wanted. */
const hasModuleWorkers = memo(() => {
  let asked = false;
  const options = { get type() { asked = true; return 'module'; } };
  const nothing = URL.createObjectURL(new Blob([], { type: 'text/javascript' }));
  try {
    new Worker(nothing, options).terminate();
  } catch {
    // A content security policy may forbid workers; the question was asked all the same.
  }
  URL.revokeObjectURL(nothing);
  return asked;
});

const hasWebGL2 = memo(() => {
  const gl = document.createElement('canvas').getContext('webgl2');
  // Browsers grant a page a few contexts only.
  gl?.getExtension('WEBGL_lose_context')?.loseContext();
  return Boolean(gl);
});

// The interface --------------------------------------------------------------------------------------------------------------

class Demo {
  #handle;
  #listeners = new Map();
  state = { running: false, hash: '', lanes: [] };

  /** A demo whose app has said that it is ready. An error before that is final; later ones the app shows itself. */
  static async mount(app, element, options) {
    const demo = new Demo();
    const ready = new Promise((resolve, reject) => {
      demo.on('ready', resolve);
      demo.on('error', ({ message }) => reject(new Error(message)));
    });
    demo.#handle = app.mount(element, JSON.stringify(options), (json) => demo.#receive(JSON.parse(json)));
    await ready.catch((error) => {
      demo.dispose();
      throw error;
    });
    return demo;
  }

  start() { this.#send('start'); }
  pause() { this.#send('pause'); }
  step() { this.#send('step'); }
  set(options) { this.#send('set', { options }); }

  reset() {
    this.state.lanes = [];
    this.#send('reset');
  }

  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  dispose() {
    this.#listeners.clear();
    this.#handle.dispose();
  }

  #send(type, rest) {
    this.#handle.send(JSON.stringify({ type, ...rest }));
  }

  #receive(event) {
    const { type, lane, ...rest } = event;
    if (type === 'state') Object.assign(this.state, rest);
    if (lane !== undefined) {
      const known = this.state.lanes[lane];
      this.state.lanes[lane] = { ...known, ...rest, values: { ...known?.values, ...rest.values } };
    }
    for (const heard of [type, '*']) this.#listeners.get(heard)?.forEach((listener) => listener(event));
  }
}

/** Fills an element with the app, at once and without a poster. */
export async function create(element, options = {}) {
  const missing = lacks(options.kind);
  if (missing) throw new Unsupported(missing);
  const base = folder(options.base);
  const [app] = await Promise.all([load(base), dress(element, base)]);
  return Demo.mount(app, element, { ...options, base });
}

// The element ----------------------------------------------------------------------------------------------------------------

/** The files that take time to load. */
const HEAVY = ['app_bg.wasm', 'worker_bg.wasm', 'view.js'];

/** What is to be downloaded, in words, if the server says how large files are. */
const downloadSize = memo(async (base) => {
  if (!navigator.onLine) return '';
  const sizes = await Promise.all(HEAVY.map(async (file) => {
    const response = await fetch(base + file, { method: 'HEAD' });
    return response.ok ? Number(response.headers.get('content-length')) : 0;
  }));
  return sizes.every(Boolean) ? `${(sizes.reduce((a, b) => a + b) / 1e6).toFixed(1)} MB` : '';
});

const STYLE = `
:host {
  --paper: #fefefd; --sunk: #f1f1ed; --ink: #1b1f24; --muted: #5a636e; --rule: #d9dce1; --grid: #dfe2e6; --grey: #8a939e;
  --blue: #0072b2; --vermilion: #d55e00; --green: #009e73; --purple: #b4578c; --orange: #b97a00;
  --table: #e3d9cb; --beam: #b9c0c8; --metal: #8b949e; --dark: #454c56; --accent: #c2543f; --cube: #3f7fd0;
  display: grid; grid-template: minmax(min-content, 1fr) / minmax(0, 1fr); position: relative; width: 100%; aspect-ratio: 16 / 10;
  color: var(--ink); text-align: start; text-indent: 0; letter-spacing: normal; text-transform: none;
  font: 400 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :host {
    --paper: #14171b; --sunk: #1c2025; --ink: #e9ebee; --muted: #a3abb5; --rule: #353b44; --grid: #2f353d; --grey: #8d97a3;
    --blue: #4aa8e0; --vermilion: #f2853d; --green: #2fc49a; --purple: #d993bb; --orange: #f0b732;
    --table: #4d463d; --beam: #59616b; --metal: #868f9a; --dark: #383e47; --accent: #b0503e; --cube: #4a86d0;
  }
}
:host([hidden]) { display: none; }
/* The least height, as something in the cell: a minimum of the element itself would keep it from growing with the app. */
:host::before { content: ""; grid-area: 1 / 1; min-height: 24rem; }
::slotted([slot="app"]) { grid-area: 1 / 1; min-width: 0; }
[data-layer] {
  position: absolute; inset: 0; display: flex; flex-direction: column; overflow: hidden;
  container-type: inline-size; background: var(--sunk); border: 1px solid var(--rule); border-radius: 10px;
}
.picture { flex: 1; min-height: 0; container: picture / size; cursor: pointer; background: center / cover no-repeat; }
.panels { display: flex; height: 100%; }
.panel { position: relative; flex: 1; min-width: 0; overflow: hidden; }
.panel + .panel { border-left: 1px solid var(--rule); }
b {
  position: absolute; top: 8px; left: 8px; padding: 5px 12px 5px 10px; border-radius: 8px; font-weight: 650;
  background: color-mix(in oklab, var(--sunk) 85%, transparent);
}
b i { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 8px; }
svg { display: block; width: 100%; height: 100%; overflow: visible; }
polygon { stroke-linejoin: round; }
.proposal { fill: none; stroke-width: 1.6; opacity: .55; stroke-linecap: round; stroke-dasharray: 1; animation: draw 1.1s ease-out backwards; }
.demonstrated { fill: none; stroke: var(--green); stroke-width: 2.5; stroke-dasharray: .018 .022; stroke-linecap: round; }
.goal { fill: var(--green); } .halo { fill: var(--green); opacity: .2; }
.drop { stroke: var(--green); stroke-dasharray: 2 4; } .foot { fill: none; stroke: var(--green); opacity: .7; }
text { fill: var(--muted); font-size: 17px; }
.curve { fill: none; stroke-width: 3; stroke-linejoin: round; } .grid { stroke: var(--grid); } .axis { stroke: var(--grey); }
@keyframes draw { from { stroke-dashoffset: 1; opacity: 0; } }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; } }
.caption { display: flex; align-items: center; gap: 14px 22px; padding: 16px 18px; background: var(--paper); border-top: 1px solid var(--rule); }
p { margin: 0; max-width: 66ch; text-wrap: pretty; }
small { display: block; font-size: 14px; color: var(--muted); min-height: 1.45em; }
button {
  flex: none; display: inline-flex; align-items: center; gap: 10px; min-height: 48px; padding: 0 22px 0 18px; border: 0; border-radius: 24px;
  background: var(--ink); color: var(--paper); font: inherit; font-weight: 650; cursor: pointer; transition: transform .15s ease;
}
button::before { content: ""; border-left: 11px solid; border-block: 7px solid transparent; }
button:hover { transform: scale(1.03); }
button:focus-visible { outline: 3px solid var(--blue); outline-offset: 3px; }
button[aria-disabled="true"] { cursor: progress; opacity: .75; transform: none; }
button[aria-disabled="true"]::before {
  box-sizing: border-box; width: 12px; height: 12px; border: 2px solid; border-right-color: transparent; border-radius: 50%;
  animation: turn 1s linear infinite;
}
@keyframes turn { to { rotate: 1turn; } }
[hidden] { display: none !important; }
.chart svg { max-width: 40rem; margin-inline: auto; }
@container picture (max-aspect-ratio: 1) {
  .panels { flex-direction: column; }
  .panel + .panel { border-left: 0; border-top: 1px solid var(--rule); }
}
@container (max-width: 560px) {
  .caption { flex-direction: column; align-items: stretch; }
  button { justify-content: center; }
}
@media print { .caption button { display: none; } }
`;

/** One sheet for all elements, which no content security policy refuses, as it does with `<style>`. */
const sheet = memo(() => {
  const made = new CSSStyleSheet();
  made.replaceSync(STYLE);
  return made;
});

function paint(root) {
  try {
    root.adoptedStyleSheets = [sheet()];
  } catch {
    // A browser too old for this is told so, in words that are to be read.
    root.append(Object.assign(document.createElement('style'), { textContent: STYLE }));
  }
}

const TEMPLATE = `
<div data-layer>
  <div class="picture" aria-hidden="true"></div>
  <div class="caption"><button type="button"></button><p role="status"><span class="sentence"></span><small></small></p></div>
</div>
<slot name="app"></slot>`;

export class ProtegeDemo extends HTMLElement {
  static observedAttributes = [...Object.keys(OPTIONS), 'poster'];

  #demo;
  #container;
  #observers = [];
  #interrupted = false;
  #loading;
  #drawn = '';

  constructor() {
    super();
    this.attachShadow({ mode: 'open' }).innerHTML = TEMPLATE;
    paint(this.shadowRoot);
    this.#part('button').onclick = this.#part('.picture').onclick = () => this.start().catch(() => {});
  }

  /** The running demo, once there is one. */
  get demo() {
    return this.#demo;
  }

  /** Loads the app if need be, and starts it. */
  start() {
    if (this.#demo) this.#demo.start();
    this.#loading ??= this.#begin();
    return this.#loading;
  }

  connectedCallback() {
    if (!this.#loading) this.#show('poster');
    this.#observe('0px', (visible) => visible && this.#arrive());
    this.#observe('100% 0%', (near) => (near ? this.#resume() : this.#interrupt()));
  }

  disconnectedCallback() {
    this.#observers.forEach((observer) => observer.disconnect());
    this.#observers = [];
    this.#clear();
  }

  attributeChangedCallback(name, before, value) {
    if (!this.#observers.length || value === before) return;
    if (this.#loading && FRAME[name]) this.#again();
    if (this.#demo && SETTINGS[name]) this.#demo.set({ [name]: value === null ? DEFAULTS[name] : SETTINGS[name](value) });
    if (!this.#loading) this.#show('poster');
    if (name === 'autostart' && this.#options().autostart) this.start().catch(() => {});
  }

  async #begin() {
    this.#show('loading');
    this.#container = Object.assign(document.createElement('div'), { slot: 'app', tabIndex: -1 });
    const container = this.#container;
    container.style.outline = 'none';
    this.append(container);
    try {
      const options = this.#options();
      const demo = await create(container, { ...options, autostart: true });
      if (this.#container !== container) {
        demo.dispose();
        throw new Error('The element was removed or changed while its app was loading.');
      }
      this.#demo = demo;
      this.#catchUp(options);
      demo.on('*', (event) => this.#tell(event));
      this.#show('live');
      this.#tell({ type: 'ready' });
      return demo;
    } catch (error) {
      if (this.#container === container) {
        this.#clear();
        this.#show(error instanceof Unsupported ? 'unsupported' : 'failed', error.message);
        this.#tell({ type: 'error', message: error.message });
      }
      throw error;
    }
  }

  /** Sends what changed while the app was loading. */
  #catchUp(known) {
    const [before, now] = [known, this.#options()].map((options) => ({ ...DEFAULTS, ...options }));
    const changed = Object.keys(SETTINGS).filter((name) => before[name] !== now[name]);
    if (changed.length) this.#demo.set(Object.fromEntries(changed.map((name) => [name, now[name]])));
  }

  /** Another app, in place of the one that there is. */
  #again() {
    this.#clear();
    this.start().catch(() => {});
  }

  #tell(event) {
    this.dispatchEvent(new CustomEvent(`protege-${event.type}`, { detail: event }));
  }

  /** Back to where nothing is loaded. */
  #clear() {
    this.#demo?.dispose();
    this.#container?.remove();
    this.#demo = this.#container = this.#loading = undefined;
    this.#interrupted = false;
  }

  /** The first time that the element is seen. */
  #arrive() {
    this.#observers.shift().disconnect();
    if (this.#options().autostart) this.start().catch(() => {});
    const tell = (size) => { this.#part('small').textContent = size && `Loads ${size}, once; then everything runs on your machine.`; };
    downloadSize(folder(this.getAttribute('base'))).then(tell, () => {});
  }

  /** An arm that nobody sees need not learn. */
  #interrupt() {
    if (!this.#demo?.state.running) return;
    this.#interrupted = true;
    this.#demo.pause();
  }

  #resume() {
    if (this.#interrupted) this.#demo.start();
    this.#interrupted = false;
  }

  #observe(rootMargin, change) {
    const observer = new IntersectionObserver((entries) => change(entries.at(-1).isIntersecting), { rootMargin });
    observer.observe(this);
    this.#observers.push(observer);
  }

  #options() {
    const given = Object.keys(OPTIONS).filter((name) => this.hasAttribute(name));
    return Object.fromEntries(given.map((name) => [name, OPTIONS[name](this.getAttribute(name))]));
  }

  #show(status, message) {
    const options = { ...DEFAULTS, ...this.#options() };
    if (options.hash) Object.assign(options, Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
    const { button, sentence } = words(options);
    const label = { poster: button, loading: 'Loading…' }[status] ?? 'Try again';
    const focused = this.shadowRoot.activeElement;
    this.dataset.status = status;
    this.#draw(options);
    this.#part('[data-layer]').hidden = status === 'live';
    this.#part('.sentence').textContent = message ?? sentence;
    Object.assign(this.#part('button'), { textContent: label, hidden: status === 'unsupported' });
    // Not `disabled`: that would lose the keyboard's place.
    this.#part('button').setAttribute('aria-disabled', status === 'loading');
    this.#part('small').hidden = Boolean(message);
    if (focused && status === 'live') this.#container.focus({ preventScroll: true });
  }

  #draw(options) {
    const image = this.getAttribute('poster');
    const picture = this.#part('.picture');
    const drawn = image ? '' : drawing(options);
    picture.style.backgroundImage = image ? `url("${encodeURI(image)}")` : '';
    // Drawn anew, the paths would be animated again.
    if (this.#drawn === drawn) return;
    picture.innerHTML = this.#drawn = drawn;
    for (const part of picture.querySelectorAll('[data-style]')) part.style.cssText = part.dataset.style;
  }

  #part(selector) {
    return this.shadowRoot.querySelector(selector);
  }
}

customElements.define('protege-demo', ProtegeDemo);
