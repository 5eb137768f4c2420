// Starts the workers in which physics and learning run. All workers of a page share one compiled module.

const modules = new Map();

/** Compiles the module at `url`, also where the server does not know the type of wasm files. */
async function compile(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  if (response.headers.get('content-type')?.startsWith('application/wasm')) return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

function shared(url) {
  if (!modules.has(url)) modules.set(url, compile(url));
  return modules.get(url);
}

/** A worker whose files lie at `base`, which may be another origin: hence the blob. */
export function spawn(base) {
  const script = new URL('worker.js', base).href;
  const source = `import init from ${JSON.stringify(script)};
onmessage = ({ data }) => { onmessage = null; init({ module_or_path: data }).catch((error) => setTimeout(() => { throw error; })); };`;
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const worker = new Worker(url, { type: 'module' });
  const wasm = new URL('worker_bg.wasm', base).href;
  shared(wasm).then(
    (module) => worker.postMessage(module),
    (error) => {
      modules.delete(wasm);
      worker.dispatchEvent(new ErrorEvent('error', { message: `the learning part cannot be loaded (${error.message})` }));
    },
  );
  return worker;
}
