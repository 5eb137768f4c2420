// Chapter 2: one state, four actions. BC, uniform noise and PostBC after T demonstrations, and what each covers and costs.

import { bar, draw, figure, percent, random, range, scale, segment, sum, text } from './draw.js';

const DEMONSTRATOR = [0.55, 0.3, 0.12, 0.03];
const ACTIONS = DEMONSTRATOR.length;
/** The prior's weight: with lambda = A the posterior's mean under a uniform prior. */
const LAMBDA = ACTIONS;

/** The demonstrator's actions come from one stream, so that more demonstrations keep those that were there. */
function count(demos, seed) {
  const uniform = random(7 + seed);
  const counts = DEMONSTRATOR.map(() => 0);
  range(demos).forEach(() => (counts[draw(DEMONSTRATOR, uniform)] += 1));
  return counts;
}

function estimators(counts, alpha) {
  const total = sum(counts);
  const bc = counts.map((n) => (total ? n / total : 1 / ACTIONS));
  const posterior = counts.map((n) => (n + LAMBDA / ACTIONS) / (total + LAMBDA));
  const mix = (other) => bc.map((p, a) => (1 - alpha) * p + alpha * other[a]);
  return [
    { name: 'BC', look: 'bc', policy: bc },
    { name: 'uniform noise', look: 'noise', policy: mix(DEMONSTRATOR.map(() => 1 / ACTIONS)) },
    { name: 'PostBC', look: 'post', policy: mix(posterior) },
  ];
}

/** The largest gamma with policy >= gamma demonstrator everywhere. */
const coverage = (policy) => Math.min(...policy.map((p, a) => p / DEMONSTRATOR[a]));
const distance = (one, other) => sum(one.map((p, a) => Math.abs(p - other[a])));

function chart(all, counts, width) {
  const [top, bottom] = [12, 200];
  const y = scale([0, 1], [bottom, top]);
  const left = 46;
  const step = (width - left) / ACTIONS;
  const thick = Math.min(22, step / 4.5);
  const looks = { bc: 'of-bc', noise: 'of-none', post: 'of-post' };
  const group = (_, a) => {
    const middle = left + step * (a + 0.5);
    const column = ({ look, policy }, i) => {
      const top = y(policy[a]);
      return bar(middle + (i - 1.5) * thick, top, thick - 2, bottom - top, `fill ${looks[look]}`);
    };
    const shown = segment(middle - 1.5 * thick - 6, y(DEMONSTRATOR[a]), middle + 1.5 * thick + 4, y(DEMONSTRATOR[a]), 'mark of-demonstrator');
    const names = text(middle, bottom + 20, `action ${a + 1}`, 'middle strong') + text(middle, bottom + 39, `seen ${counts[a]}×`, 'middle');
    return [...all.map(column), shown, names].join('');
  };
  const grid = [0.25, 0.5, 0.75, 1].map((p) => segment(left, y(p), width, y(p), 'grid') + text(left - 8, y(p) + 5, percent(p), 'end'));
  return [...grid, segment(left, bottom, width, bottom, 'axis'), ...DEMONSTRATOR.map(group)].join('');
}

function table(all, alpha, demos) {
  const row = ({ name, look, policy }) => {
    const figures = [coverage(policy), distance(policy, all[0].policy)].map((v) => `<td>${v.toFixed(3)}</td>`).join('');
    return `<tr><th scope="row"><span class="${look}">${name}</span></th>${figures}</tr>`;
  };
  const most = ((2 * alpha * LAMBDA) / (demos + LAMBDA)).toFixed(3);
  const bound = demos ? `PostBC moves by at most 2αλ / (T + λ) = ${most}.` : 'Without a demonstration all three are uniform.';
  return `<table><thead><tr><th scope="col">estimator</th><th scope="col">coverage γ</th><th scope="col">moved away from BC</th></tr></thead>
    <tbody>${all.map(row).join('')}</tbody></table><p class="note">${bound}</p>`;
}

figure('posterior', { alpha: (v) => v.alpha.toFixed(2) }, ({ values, width }) => {
  const counts = count(values.demos, values.again);
  const all = values.demos ? estimators(counts, values.alpha) : estimators(counts, 0);
  return { height: 245, picture: chart(all, counts, width), finding: table(all, values.alpha, values.demos) };
});
