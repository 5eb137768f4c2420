// Keeps the site for offline use: registers the service worker of the version that files.json names.

const site = new URL('.', import.meta.url);

async function keep() {
  const list = await fetch(new URL('files.json', site), { cache: 'no-cache' });
  if (!list.ok) return;
  const { version } = await list.json();
  await navigator.serviceWorker.register(new URL(`sw.js?version=${encodeURIComponent(version)}`, site), { scope: site.pathname });
}

/** Only once the page itself is there, and not for a visitor who wants to save data. */
function whenIdle(run) {
  const soon = () => setTimeout(run, 2000);
  if (document.readyState === 'complete') soon();
  else addEventListener('load', soon, { once: true });
}

if ('serviceWorker' in navigator && !navigator.connection?.saveData) whenIdle(() => keep().catch(() => {}));
