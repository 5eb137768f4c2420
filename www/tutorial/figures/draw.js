// What the figures share: sliders, scales, text and a little probability.

/**
 * Brings a figure to life: `draw({ values, width })` returns `{ height, picture, finding }`, SVG text, its height in pixels, and
 * HTML text. It is called when a slider moves, a button is pressed (`values.again` counts) or the width changes.
 */
export function figure(id, format, draw) {
  const root = document.getElementById(id);
  const plot = root.querySelector('.plot');
  const finding = root.querySelector('.finding');
  const inputs = [...root.querySelectorAll('input')];
  let again = 0;

  const update = () => {
    const values = { again, ...Object.fromEntries(inputs.map((input) => [input.name, input.valueAsNumber])) };
    for (const input of inputs) {
      const text = format[input.name]?.(values) ?? input.value;
      input.setAttribute('aria-valuetext', text);
      input.labels[0].querySelector('output').value = text;
    }
    const width = plot.clientWidth;
    // Before the first layout there is nothing to draw on; the observer calls again.
    if (!width) return;
    const drawn = draw({ values, width });
    plot.setAttribute('viewBox', `0 0 ${width} ${drawn.height}`);
    plot.innerHTML = drawn.picture;
    finding.innerHTML = drawn.finding;
  };

  root.addEventListener('input', update);
  root.querySelector('button')?.addEventListener('click', () => {
    again += 1;
    update();
  });
  new ResizeObserver(update).observe(root);
}

export const scale = ([a, b], [from, to]) => (x) => from + ((x - a) / (b - a)) * (to - from);
export const percent = (p, digits = 0) => `${(100 * p).toFixed(digits)}%`;
export const range = (count) => Array.from({ length: count }, (_, i) => i);
export const sum = (list) => list.reduce((a, b) => a + b, 0);

export const text = (x, y, words, look = '') => `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" class="${look}">${words}</text>`;
export const segment = (x1, y1, x2, y2, look) => `<path d="M${x1.toFixed(1)} ${y1.toFixed(1)}L${x2.toFixed(1)} ${y2.toFixed(1)}" class="${look}"/>`;
export const dot = (x, y, r, look) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${r}" class="${look}"/>`;
export const bar = (x, y, width, height, look) =>
  `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${Math.max(height, 0).toFixed(1)}" class="${look}"/>`;

const along = (points) => points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L');
export const line = (points, look) => `<path d="M${along(points)}" class="line ${look}"/>`;
export const area = (points, base, look) =>
  `<path d="M${points[0][0].toFixed(1)} ${base}L${along(points)}L${points.at(-1)[0].toFixed(1)} ${base}Z" class="area ${look}"/>`;

/** Uniform numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function random(seed) {
  let state = (seed * 0x9e3779b9) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A draw from the standard normal distribution. */
export const normal = (uniform) => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

/** An index, drawn with these probabilities. */
export function draw(probabilities, uniform) {
  let left = uniform();
  const index = probabilities.findIndex((p) => (left -= p) < 0);
  return index < 0 ? probabilities.length - 1 : index;
}

export const density = (x, mean, sd) => Math.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * Math.sqrt(2 * Math.PI));

/** The standard normal distribution function (Abramowitz and Stegun 26.2.17, error below 1e-7). */
export function below(x) {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const poly = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = density(x, 0, 1) * poly;
  return x < 0 ? tail : 1 - tail;
}
