import { Color, Group } from 'three';
import { lighten } from './color.js';
import { BREAK, Dots, Lines, Pixels } from './lines.js';

const CLOUD = 64; // polylines
const CLOUD_POINTS = 16; // of each
const REWARDS = 128; // places
const PATH_POINTS = 256; // of the planned and of the demonstrator's path
const TRAIL_SECONDS = 1.5;
const TRAIL_POINTS = 192;
const TRAIL_INTERVAL = 1 / 100; // seconds between points of the trail, at least
const PULSE_SECONDS = 0.6;

/** What is drawn over a model: proposals, a learned reward, plan, demonstrator's path, executed trail, and the cue for success. */
export class Overlays {
  /** Everything, to be added to a three.js scene. */
  root = new Group();
  #pixels = new Pixels();
  #shown = { cloud: true, rewards: true, planned: true, executed: true, demonstrator: true };
  #accent;

  #cloud = new Lines(CLOUD * (CLOUD_POINTS + 2), this.#pixels, { width: 1.3, opacity: 0.42 });
  #tips = new Dots(CLOUD, this.#pixels, { size: 4.6, opacity: 0.9 });
  #rewards = new Dots(REWARDS, this.#pixels, { size: 9, opacity: 0.9 });
  #demonstrator = new Lines(PATH_POINTS, this.#pixels, { width: 3.4, halo: 1 });
  #demonstratorTip = new Dots(1, this.#pixels, { size: 12, stroke: 3 });
  #planned = new Lines(PATH_POINTS, this.#pixels, { width: 2.6, halo: 0.9 });
  #plannedTip = new Dots(1, this.#pixels, { size: 8 });
  #trail = new Trail(this.#pixels);
  #pulse = new Dots(1, this.#pixels, { size: 10, stroke: 2 });
  #pulsing = 0; // seconds left

  /** @param {string} accent color of the policy */
  constructor(accent) {
    this.#accent = accent;
    this.#pulse.material.uniforms.filled.value = 0;
    const parts = [
      this.#trail.lines,
      this.#cloud,
      this.#tips,
      this.#rewards,
      this.#demonstrator,
      this.#planned,
      this.#plannedTip,
      this.#demonstratorTip,
      this.#pulse,
    ];
    for (const [i, part] of parts.entries()) {
      part.renderOrder = 10 + i;
      part.material.depthTest = part === this.#trail.lines; // what is to come is seen through things, what was is not
    }
    this.root.add(...parts);
  }

  /** The policy's color, from the next theme on. */
  set accent(accent) {
    this.#accent = accent;
  }

  /** Which overlays are drawn. */
  set shown(shown) {
    Object.assign(this.#shown, shown);
    const { cloud, rewards, planned, executed, demonstrator } = this.#shown;
    this.#cloud.visible = this.#tips.visible = cloud;
    this.#rewards.visible = rewards;
    this.#planned.visible = this.#plannedTip.visible = planned;
    this.#trail.lines.visible = executed;
    this.#demonstrator.visible = this.#demonstratorTip.visible = demonstrator;
  }

  /**
   * @param {import('./theme.js').Theme} theme
   */
  setTheme(theme) {
    const accent = lighten(new Color(this.#accent), theme.accent);
    const demonstrator = new Color(theme.demonstrator);
    const success = new Color(theme.success);
    const reward = new Color(theme.reward);
    this.#cloud.setColor(accent, theme.middle);
    this.#tips.setColor(accent, accent);
    this.#rewards.setColor(reward, reward);
    this.#demonstrator.setColor(demonstrator, theme.middle);
    this.#demonstratorTip.setColor(demonstrator, theme.middle);
    this.#planned.setColor(accent, theme.middle);
    this.#plannedTip.setColor(accent, accent);
    this.#trail.lines.setColor(accent, theme.middle);
    this.#pulse.setColor(success, success);
  }

  /**
   * Tells the lines how large the picture is; they are thinner in a small one.
   *
   * @param {number} width  in pixels of the picture
   * @param {number} height
   * @param {number} ratio  pixels of the picture per CSS pixel
   */
  resize(width, height, ratio) {
    const size = Math.min(width, height) / ratio;
    this.#pixels.resolution.value.set(width, height);
    this.#pixels.scale.value = ratio * Math.min(1.25, Math.max(0.72, size / 520));
  }

  /**
   * Shows what comes with a segment.
   *
   * @param {import('./playback.js').Segment} segment
   */
  show(segment) {
    this.#cloud.clear();
    this.#tips.clear();
    for (const line of segment.cloud ?? []) {
      this.#cloud.add(line);
      this.#tips.add(line, line.length - 3);
    }
    this.#cloud.flush();
    this.#tips.flush();
    const rewards = segment.rewards ?? [];
    this.#rewards.clear();
    for (let i = 0; i + 3 < rewards.length; i += 4) this.#rewards.add(rewards, i, Math.sqrt(rewards[i + 3]));
    this.#rewards.flush();
    path(this.#demonstrator, this.#demonstratorTip, segment.demonstrator);
    path(this.#planned, this.#plannedTip, segment.planned);
    if (segment.reset) this.#trail.clear();
  }

  /** Adds a point that the hand has come to, `interval` seconds after the one before. */
  executed(poses, offset, interval) {
    this.#trail.add(poses, offset, interval);
  }

  /** Draws the trail up to where the hand is now. */
  trail(pose, offset) {
    this.#trail.draw(pose, offset);
  }

  /**
   * Starts the cue for success.
   *
   * @param {Float32Array} points
   * @param {number} i where in them its place is
   */
  succeed(points, i) {
    this.#pulsing = PULSE_SECONDS;
    this.#pulse.clear();
    this.#pulse.add(points, i);
    this.#pulse.flush();
  }

  /** Ends the cue for success. */
  calm() {
    this.#pulsing = 0;
    this.#pulse.clear();
  }

  /** How strongly the cue for success shows, 0..1. */
  get pulse() {
    const left = this.#pulsing / PULSE_SECONDS;
    return left * (2 - left);
  }

  /**
   * Lets time go by for the cue.
   *
   * @param {number} seconds
   * @returns {boolean} whether anything changes
   */
  advance(seconds) {
    if (this.#pulsing === 0) return false;
    this.#pulsing = Math.max(0, this.#pulsing - seconds);
    const { size, opacity } = this.#pulse.material.uniforms;
    const left = this.#pulsing / PULSE_SECONDS;
    size.value = 18 + 56 * (1 - left * left);
    opacity.value = left;
    if (this.#pulsing === 0) this.calm();
    return true;
  }
}

/** Shows one path with a mark at its end, or none. */
function path(lines, tip, points) {
  lines.clear();
  tip.clear();
  if (points) {
    lines.add(points);
    tip.add(points, points.length - 3);
  }
  lines.flush();
  tip.flush();
}

/** The recent path of the hand, fading with age. */
class Trail {
  lines;
  #ring = new Float32Array(TRAIL_POINTS * 4); // x y z time
  #first = 0;
  #count = 0;
  #clock = 0;

  constructor(pixels) {
    this.lines = new Lines(TRAIL_POINTS + 3, pixels, { width: 2.4, opacity: 0.75 });
  }

  clear() {
    this.#count = 0;
    this.#clock = 0;
    this.lines.clear();
  }

  add(points, i, interval) {
    this.#clock += interval;
    const ring = this.#ring;
    const last = 4 * ((this.#first + this.#count - 1 + TRAIL_POINTS) % TRAIL_POINTS);
    if (this.#count > 0 && this.#clock - ring[last + 3] < TRAIL_INTERVAL) return;
    if (this.#count === TRAIL_POINTS) this.#drop();
    const k = 4 * ((this.#first + this.#count) % TRAIL_POINTS);
    for (let j = 0; j < 3; j++) ring[k + j] = points[i + j];
    ring[k + 3] = this.#clock;
    this.#count += 1;
  }

  draw(head, offset) {
    const { lines } = this;
    const ring = this.#ring;
    while (this.#count > 0 && this.#clock - ring[4 * this.#first + 3] > TRAIL_SECONDS) this.#drop();
    lines.clear();
    if (this.#count > 0) {
      lines.put(ring, 4 * this.#first, BREAK);
      for (let i = 0; i < this.#count; i++) {
        const k = 4 * ((this.#first + i) % TRAIL_POINTS);
        const age = (this.#clock - ring[k + 3]) / TRAIL_SECONDS;
        lines.put(ring, k, (1 - age) * (1 - age));
      }
      lines.put(head, offset, 1);
      lines.put(head, offset, BREAK);
    }
    lines.flush();
  }

  #drop() {
    this.#first = (this.#first + 1) % TRAIL_POINTS;
    this.#count -= 1;
  }
}
