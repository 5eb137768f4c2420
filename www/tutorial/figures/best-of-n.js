// Chapter 3: one decision, one number to choose. How a narrow and a wide policy fare with the best of N proposals.

import { area, below, density, dot, figure, line, percent, range, scale, segment, text } from './draw.js';

/** How far an action may be off and still succeed, about; and the spread of the narrow policy. */
const TOLERANCE = 0.35;
const NARROW = 0.12;
const MOST = 64;

const success = (action) => Math.exp(-0.5 * (action / TOLERANCE) ** 2);

/**
 * Expected success when a perfect critic chooses among `count` proposals from N(mean, sd²): success falls with the distance d
 * from the best action, so this is the integral of -success'(d) times the probability that the nearest proposal is within d.
 */
function bestOf(count, mean, sd) {
  const steps = 400;
  const step = (6 * TOLERANCE) / steps;
  const within = (d) => below((d - mean) / sd) - below((-d - mean) / sd);
  const term = (d) => (d / TOLERANCE ** 2) * success(d) * (1 - (1 - within(d)) ** count);
  return range(steps).reduce((total, i) => total + step * term((i + 0.5) * step), 0);
}

const counts = range(25).map((i) => MOST ** (i / 24));

function proposals(mean, wide, width) {
  const [top, bottom] = [48, 210];
  const view = [-1.6, 2.4];
  const x = scale(view, [0, width]);
  const grid = range(161).map((i) => view[0] + (i / 160) * (view[1] - view[0]));
  const shape = (f, height) => grid.map((a) => [x(a), bottom - (bottom - top) * height * f(a)]);
  const bell = (sd, height) => shape((a) => density(a, mean, sd) / density(0, 0, sd), height);
  return [
    text(0, 16, 'proposals, and what succeeds', 'strong'), segment(0, bottom, width, bottom, 'axis'),
    area(shape(success, 1), bottom, 'of-demonstrator'), text(x(0), bottom + 20, 'best', 'middle'),
    line(bell(wide, 0.5), 'of-post'), line(bell(NARROW, 0.95), 'of-bc'),
  ].join('');
}

function curves(mean, wide, count, left, width, top) {
  const bottom = top + 162;
  const x = (n) => left + 38 + (Math.log(n) / Math.log(MOST)) * (width - 50);
  const y = scale([0, 1], [bottom, top]);
  const at = (n, sd) => [x(n), y(bestOf(n, mean, sd))];
  const one = (sd, look) => line(counts.map((n) => at(n, sd)), look) + dot(...at(count, sd), 6, `fill ${look}`);
  const grid = [0, 0.5, 1].map((p) => segment(x(1), y(p), x(MOST), y(p), p ? 'grid' : 'axis') + text(x(1) - 6, y(p) + 5, percent(p), 'end'));
  const ticks = [1, 4, 16, 64].map((n) => text(x(n), bottom + 20, n, 'middle'));
  return [
    text(left, top - 32, 'success with the best of N', 'strong'), ...grid, ...ticks, one(wide, 'of-post'), one(NARROW, 'of-bc'),
  ].join('');
}

figure('best-of-n', { log: (v) => String(2 ** v.log), mean: (v) => v.mean.toFixed(2), wide: (v) => v.wide.toFixed(2) }, ({ values, width }) => {
  const { mean, wide } = values;
  const count = 2 ** values.log;
  const stacked = width < 520;
  const half = stacked ? width : width * 0.46;
  const second = stacked ? curves(mean, wide, count, 0, width, 300) : curves(mean, wide, count, half + 36, width - half - 36, 48);
  const [narrow, broad] = [NARROW, wide].map((sd) => [bestOf(1, mean, sd), bestOf(count, mean, sd)].map((p) => percent(p)));
  const finding = `Before practice the narrow policy succeeds in <b>${narrow[0]}</b>, the wide one in <b>${broad[0]}</b>. With a perfect critic and
    ${count === 1 ? 'one proposal nothing changes' : `the best of ${count} proposals they reach <b>${narrow[1]}</b> and <b>${broad[1]}</b>`}.`;
  return { height: stacked ? 490 : 240, picture: proposals(mean, wide, half) + second, finding };
});
