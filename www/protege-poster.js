// What <protege-demo> shows before anything is loaded: a drawing of what is about to happen, as SVG text.
//
// The scene is drawn from its geometry in meters, in a parallel projection, so that hand, cube and paths fit together whatever
// the poster shows. Colors are custom properties: the element's style sheet gives them for light and dark. What would be a
// style attribute is `data-style`: a content security policy refuses those of markup, and the element sets them as it may.

import { FINETUNERS, PRETRAINERS } from './methods.js';

const SCALE = 430;
const TURN = -0.42;
const TILT = 0.5;

/** Meters in the world (x to the side, y to the back, z up) to a point of the drawing. */
function project([x, y, z]) {
  const across = x * Math.cos(TURN) - y * Math.sin(TURN);
  const away = x * Math.sin(TURN) + y * Math.cos(TURN);
  const up = away * Math.sin(TILT) + z * Math.cos(TILT);
  return [SCALE * across, -SCALE * up].map((v) => v.toFixed(1));
}

const points = (list) => list.map((p) => project(p).join()).join(' ');
const polygon = (list, fill, rest = '') => `<polygon points="${points(list)}" fill="${fill}" ${rest}/>`;
const shade = (color, percent) => `color-mix(in oklab, ${color}, #000 ${percent}%)`;

/** The three sides of a box that the projection shows: `center` and `half` sizes in meters. */
function box([x, y, z], [a, b, c], color) {
  const corner = (i, j, k) => [x + i * a, y + j * b, z + k * c];
  const top = [corner(-1, -1, 1), corner(1, -1, 1), corner(1, 1, 1), corner(-1, 1, 1)];
  const front = [corner(-1, -1, -1), corner(1, -1, -1), corner(1, -1, 1), corner(-1, -1, 1)];
  const side = [corner(1, -1, -1), corner(1, 1, -1), corner(1, 1, 1), corner(1, -1, 1)];
  const fills = [color, shade(color, 14), shade(color, 28)];
  return [top, front, side].map((face, i) => polygon(face, fills[i], `data-style="fill:${fills[i]}"`)).join('');
}

function shadow([x, y], [a, b]) {
  return polygon([[x - a, y - b, 0], [x + a, y - b, 0], [x + a, y + b, 0], [x - a, y + b, 0]], '#000', 'opacity=".14"');
}

/** A path through the air, up, over and down; `bend` moves its middle, `look` is how it is drawn. */
function path(from, to, [right, back, up], look) {
  const along = (share) => from.map((v, k) => v + share * (to[k] - v) + [right, back, up][k]);
  const [a, b, c, d] = [from, along(0.25), along(0.75), to].map(project);
  return `<path d="M${a}C${b} ${c} ${d}" pathLength="1" ${look}/>`;
}

/** Numbers that look random, have about a normal distribution, and are the same in every drawing. */
function scatter(index) {
  const uniform = (step) => (index * step + 0.5) % 1;
  return Math.sqrt(-2 * Math.log(1 - 0.96 * uniform(0.7548776662))) * Math.cos(2 * Math.PI * uniform(0.5698402910));
}

const START = [-0.2, -0.12, 0.1];
const GOAL = [0.24, 0.1, 0.16];
const RAIL = 0.4;
const ARC = [0, 0.02, 0.15];

/** The paths that a policy proposes, spread by `spread` meters. */
function fan(spread, color, count = 34) {
  const one = (i) => {
    const [right, back, up, end] = [0, 1, 2, 3].map((k) => spread * scatter(4 * i + k + 1));
    const bend = [ARC[0] + right, ARC[1] + back, ARC[2] + 1.2 * up];
    const to = [GOAL[0] + 0.6 * end, GOAL[1] + 0.5 * back, GOAL[2] + 0.5 * up];
    return path(START, to, bend, `class="proposal" data-style="stroke:${color};animation-delay:${12 * i}ms"`);
  };
  return Array.from({ length: count }, (_, i) => one(i)).join('');
}

function hand([x, y, z]) {
  const [left, right] = [-1, 1].map((side) => box([x + side * 0.031, y, z + 0.018], [0.009, 0.018, 0.038], 'var(--metal)'));
  const cube = box([x, y, z - 0.004], [0.022, 0.022, 0.022], 'var(--cube)');
  const palm = box([x, y, z + 0.07], [0.075, 0.026, 0.014], 'var(--dark)');
  const wrist = box([x, y, z + 0.19], [0.018, 0.018, 0.106], 'var(--accent)');
  return left + cube + right + palm + wrist;
}

function scene(paths) {
  const [x, y] = START;
  const [gx, gy] = project(GOAL);
  const [fx, fy] = project([GOAL[0], GOAL[1], 0]);
  return [
    box([0, 0, -0.02], [0.46, 0.34, 0.02], 'var(--table)'),
    shadow(START, [0.075, 0.03]),
    `<line x1="${fx}" y1="${fy}" x2="${gx}" y2="${gy}" class="drop"/><ellipse cx="${fx}" cy="${fy}" rx="9" ry="4.5" class="foot"/>`,
    box([0, y + 0.06, RAIL], [3, 0.016, 0.016], 'var(--beam)'),
    `<circle cx="${gx}" cy="${gy}" r="15" class="halo"/><circle cx="${gx}" cy="${gy}" r="6" class="goal"/>`,
    hand(START),
    box([x, y + 0.025, RAIL], [0.045, 0.06, 0.026], 'var(--dark)'),
    paths,
  ].join('');
}

const demonstrated = () => path(START, GOAL, ARC, 'class="demonstrated"');

/** How widely the drawing spreads the proposals, in meters: narrow where the idea is to imitate only. */
const SPREADS = { bc: 0.014, 'post-bc': 0.07 };
const SPREAD = 0.04;

/** The display name of a pretraining method. */
export const laneName = (method) => PRETRAINERS[method]?.name ?? method;

/** The scene of one arm that was pretrained by `method`. */
function lane(method) {
  const color = `var(--${PRETRAINERS[method]?.color ?? 'grey'})`;
  return panel(scene(fan(SPREADS[method] ?? SPREAD, color) + demonstrated()), SCENE, laneName(method), color);
}

/** The part of the drawing, in its own units, that has to be seen; what lies around it may be. */
const SCENE = '-225 -250 450 372';
const CHART = '0 0 600 320';

/** A method's name may come from a link, and a link from anybody. */
const escape = (name) => name.replace(/[<>&]/g, (sign) => `&#${sign.charCodeAt()};`);

function panel(content, view, name, color) {
  const label = name ? `<b><i data-style="background:${color}"></i>${escape(name)}</b>` : '';
  return `<div class="panel${name ? '' : ' chart'}">${label}<svg viewBox="${view}">${content}</svg></div>`;
}

/** Coverage against loss, as results/theory has it for 1, 3, 10, ... 10,000 demonstrations. */
const STUDY = {
  loss: { bc: [3.1, 1.9, 0.68, 0.25, 0.077, 0.027, 0.0071, 0.0023, 0.00041], other: [3.3, 2.3, 1.3, 0.81, 0.49, 0.28, 0.13, 0.053, 0.019] },
  noise: [0.017, 0.017, 0.017, 0.014, 0.01, 0.0052, 0.0023, 0.0012, 0.00045],
  posterior: [0.017, 0.018, 0.019, 0.02, 0.02, 0.018, 0.016, 0.018, 0.016],
};

function chart() {
  const across = (coverage) => (coverage ? 500 + 225 * Math.log10(coverage / 0.02) : 80);
  const down = (loss) => 40 + 56 * Math.log10(4 / loss);
  const curve = (coverage, loss, color) => {
    const at = loss.map((l, i) => [across(coverage[i]).toFixed(1), down(l).toFixed(1)]);
    const dots = at.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="5" data-style="fill:${color}"/>`).join('');
    return `<polyline points="${at.join(' ')}" class="curve" data-style="stroke:${color}"/>${dots}`;
  };
  const grid = [1, 0.1, 0.01, 0.001].map((l) => `<path d="M50 ${down(l).toFixed(1)}H540" class="grid"/>`).join('');
  const words = [[100, 50, 'BC'], [310, 145, 'noise'], [522, 115, 'PostBC'], [440, 312, 'what is covered →']];
  const labels = words.map(([x, y, word]) => `<text x="${x}" y="${y}">${word}</text>`).join('');
  const none = STUDY.loss.bc.map(() => 0);
  return `${grid}<path d="M50 290H540" class="axis"/>${labels}<text transform="translate(30 230) rotate(-90)">what it costs →</text>
    ${curve(none, STUDY.loss.bc, 'var(--vermilion)')}${curve(STUDY.noise, STUDY.loss.other, 'var(--grey)')}
    ${curve(STUDY.posterior, STUDY.loss.other, 'var(--blue)')}`;
}

/** The poster of an element with these options: HTML text. */
export function drawing({ kind, pretrain }) {
  return `<div class="panels">${panels(kind, pretrain).join('')}</div>`;
}

function panels(kind, pretrain) {
  if (kind === 'theory') return [panel(chart(), CHART)];
  if (kind === 'teach') return [panel(scene(demonstrated()), SCENE, 'You', 'var(--green)')];
  return pretrain.split(',').map((method) => lane(method.trim()));
}

const TASKS = {
  'lab/lift': 'lift a cube',
  'lab/pick-place': 'carry a cube to a point in the air',
  'lab/box-close': 'put the lid on a box',
  'lab/assembly': 'put a ring over a peg',
  'lab/door': 'open a door',
  'lab/hammer': 'drive a nail in',
};
const COUNTS = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

/** The words on the poster: what the button does, and what will happen. */
export function words({ kind, task, pretrain, finetune, demos }) {
  const todo = TASKS[task] ?? task;
  if (kind === 'theory') {
    const sentence = 'BC, uniform noise and PostBC on a problem small enough to be judged exactly: what each covers, and what it costs.';
    return { button: 'Run the numbers', sentence };
  }
  if (kind === 'teach') return { button: 'Take the hand', sentence: `You show how to ${todo}. An arm learns from what you did, and then practices.` };
  const lanes = pretrain.split(',').map((method) => laneName(method.trim()));
  const number = (count) => COUNTS[count] ?? count;
  const taught = `${number(demos)} demonstration${Number(demos) === 1 ? '' : 's'}`;
  const practice = finetune === 'none' ? '' : `, then practice${lanes.length > 1 ? '' : 's'} by ${FINETUNERS[finetune]?.name ?? finetune}`;
  if (lanes.length === 1) return { button: 'Start', sentence: `One arm learns to ${todo} from ${taught} by ${lanes[0]}${practice}.` };
  const count = number(lanes.length);
  const start = `${count[0].toUpperCase()}${count.slice(1)} arms learn to ${todo} from the same ${taught}`;
  return { button: 'Start the race', sentence: `${start}, by ${lanes.slice(0, -1).join(', ')} and by ${lanes.at(-1)}${practice}.` };
}
