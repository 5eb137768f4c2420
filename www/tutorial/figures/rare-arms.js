// Chapter 1: three buttons, two of them rarely pressed. What T demonstrations do not show, the clone never does.

import { bar, dot, draw, figure, line, percent, random, range, scale, segment, text } from './draw.js';

const MOST = 100;
const NAMES = ['A', 'B', 'C'];

/** The probability that T demonstrations show neither rare button: (1 - 4 epsilon)^T. */
const unseen = (rare, demos) => (1 - rare) ** demos;

function demonstrate(rare, demos, seed) {
  const uniform = random(2 + seed + 1000 * demos);
  const counts = [0, 0, 0];
  range(demos).forEach(() => (counts[draw([1 - rare, rare / 2, rare / 2], uniform)] += 1));
  return counts;
}

/** The chance of missing both rare buttons, for any number of demonstrations. */
function curve(rare, demos, width, top) {
  const height = 170;
  const x = scale([0, MOST], [38, width - 8]);
  const y = scale([0, 1], [top + height, top]);
  const points = range(MOST + 1).map((t) => [x(t), y(unseen(rare, t))]);
  const grid = [0, 0.5, 1].map((p) => segment(x(0), y(p), x(MOST), y(p), p ? 'grid' : 'axis') + text(x(0) - 6, y(p) + 5, percent(p), 'end'));
  const ticks = [0, 50, 100].map((t) => text(x(t), y(0) + 20, t, t === MOST ? 'end' : 'middle'));
  const here = unseen(rare, demos);
  const label = text(x(demos) + (demos > 70 ? -10 : 10), y(here) - 9, percent(here), `strong ${demos > 70 ? 'end' : ''}`);
  return [
    text(0, top - 18, 'chance that no demonstration shows B or C', 'strong'), ...grid, ...ticks,
    text((x(0) + x(MOST)) / 2, y(0) + 40, 'demonstrations, T', 'middle'),
    line(points, 'of-bc'), dot(x(demos), y(here), 6, 'fill of-bc'), label,
  ].join('');
}

/** What the demonstrator does, as a stroke, and what its clone does, as a bar. */
function buttons(rare, counts, left, width, top) {
  const height = 170;
  const total = counts.reduce((a, b) => a + b);
  const y = scale([0, 1], [top + height, top]);
  const step = width / 3;
  const one = (name, i) => {
    const x = left + step * i + step * 0.2;
    const [copied, shown] = [counts[i] / total, i ? rare / 2 : 1 - rare];
    return [
      bar(x, y(copied), step * 0.6, top + height - y(copied), 'fill of-bc'),
      segment(x - 5, y(shown), x + step * 0.6 + 5, y(shown), 'mark of-demonstrator'),
      text(x + step * 0.3, top + height + 20, name, 'middle strong'),
      text(x + step * 0.3, top + height + 40, copied ? percent(copied) : 'never', 'middle'),
    ].join('');
  };
  return text(left, top - 18, 'how often each is pressed', 'strong') + segment(left, y(0), left + width, y(0), 'axis') + NAMES.map(one).join('');
}

function finding(rare, demos, counts) {
  const missing = NAMES.filter((_, i) => !counts[i]);
  const seen = counts[1] + counts[2];
  const chance = `With ${demos} demonstration${demos === 1 ? '' : 's'} the chance to miss both rare buttons is ${percent(unseen(rare, demos), 1)}.`;
  if (!seen) {
    return `${chance} <b>This time both were missed:</b> the clone presses A, always. However long it practices, it cannot find out
      which of B and C pays.`;
  }
  if (missing.length) {
    return `${chance} This time ${missing[0]} was missed: the clone will never press it. If ${missing[0]} is the one that pays,
      practice will not find it.`;
  }
  return `${chance} This time both were seen, and practice has something to compare.`;
}

figure('rare-arms', { rare: (v) => `${v.rare}%` }, ({ values, width }) => {
  const rare = values.rare / 100;
  const counts = demonstrate(rare, values.demos, values.again);
  const stacked = width < 520;
  const half = stacked ? width : width * 0.52;
  const second = stacked ? buttons(rare, counts, 0, width, 300) : buttons(rare, counts, half + 40, width - half - 40, 40);
  return { height: stacked ? 520 : 260, picture: curve(rare, values.demos, half, 40) + second, finding: finding(rare, values.demos, counts) };
});
