// The demo of embed.html: options come from the address, orders from the page outside, which hears every event.

import { ProtegeDemo } from './protege-demo.js';

const demo = document.createElement('protege-demo');
const events = ['ready', 'metrics', 'phase', 'state', 'error', 'finished', 'demonstration', 'unsaved'];
const orders = {
  start: () => demo.start().catch(() => {}),
  pause: () => demo.demo?.pause(),
  step: () => demo.demo?.step(),
  reset: () => demo.demo?.reset(),
  set: ({ options }) => Object.entries(options ?? {}).forEach(([name, value]) => set(value, name)),
};

// Anybody may frame this page or link to it, so nothing said from outside decides what code is loaded or run here.
const open = new Set(ProtegeDemo.observedAttributes.filter((name) => name !== 'base' && name !== 'poster'));
const set = (value, name) => open.has(name) && demo.setAttribute(name, value);
const configure = () => new URLSearchParams(location.hash.slice(1)).forEach(set);
const tell = ({ detail: { type, ...rest } }) => parent.postMessage({ protege: type, ...rest }, '*');

configure();
addEventListener('hashchange', configure);
if (parent !== window) {
  events.forEach((type) => demo.addEventListener(`protege-${type}`, tell));
  addEventListener('message', ({ source, data }) => {
    if (source === parent && Object.hasOwn(orders, data?.protege)) orders[data.protege](data);
  });
}
document.body.append(demo);
