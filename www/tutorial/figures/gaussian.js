// Chapter 2: the demonstrator's mean action at one place, its posterior, and twenty fits to perturbed data (Lemma 7).

import { area, density, dot, figure, line, normal, random, range, scale, segment, sum, text } from './draw.js';

const MEAN = 0.45;
const NOISE = 0.6;
const PRIOR = 1;
const MEMBERS = 20;
const VIEW = [-2.2, 2.2];

/** The posterior's mean and standard deviation: P^-1 = 1/prior² + T/noise². */
function posterior(data) {
  const precision = 1 / PRIOR ** 2 + data.length / NOISE ** 2;
  return { mean: sum(data) / NOISE ** 2 / precision, sd: precision ** -0.5, precision };
}

/** A least-squares fit to data with fresh noise, its regularizer centered on a draw from the prior. */
function refit(data, precision, uniform) {
  const target = sum(data.map((x) => x + NOISE * normal(uniform))) / NOISE ** 2 + (PRIOR * normal(uniform)) / PRIOR ** 2;
  return target / precision;
}

function deviation(list) {
  const mean = sum(list) / list.length;
  return Math.sqrt(sum(list.map((v) => (v - mean) ** 2)) / list.length);
}

figure('gaussian', {}, ({ values: { demos, again }, width }) => {
  const uniform = random(3 + again);
  const data = range(60).map(() => MEAN + NOISE * normal(uniform)).slice(0, demos);
  const { mean, sd, precision } = posterior(data);
  const perturbed = random(1000 + again);
  const members = range(MEMBERS).map(() => refit(data, precision, perturbed));

  const [top, bottom] = [30, 190];
  const x = scale(VIEW, [0, width]);
  const y = (p) => bottom - ((bottom - top) * p) / density(0, 0, sd);
  const bell = range(241).map((i) => VIEW[0] + (i / 240) * (VIEW[1] - VIEW[0])).map((v) => [x(v), y(density(v, mean, sd))]);
  const average = demos ? sum(data) / demos : undefined;
  const picture = [
    segment(0, bottom, width, bottom, 'axis'),
    area(bell, bottom, 'of-post'), line(bell, 'of-post'),
    segment(x(MEAN), top - 12, x(MEAN), bottom, 'mark of-demonstrator'),
    average === undefined ? '' : segment(x(average), top - 12, x(average), bottom, 'mark of-bc'),
    ...members.map((m, i) => dot(x(m), bottom + 16 + 3 * (i % 4), 4, 'fill of-post')),
    ...data.map((v) => segment(x(v), bottom + 44, x(v), bottom + 56, 'axis')),
    text(0, bottom + 22, 'refits'), text(0, bottom + 55, 'seen'),
  ].join('');
  const moral = demos
    ? 'The most likely value is a single line, however few demonstrations it stands on.'
    : 'Nothing was seen: the posterior is the prior, and there is no most likely value.';
  const spread = `The posterior’s standard deviation is <b>${sd.toFixed(2)}</b>; the ${MEMBERS} refits spread by ${deviation(members).toFixed(2)}.`;
  const finding = `${spread} ${moral}`;
  return { height: 255, picture, finding };
});
