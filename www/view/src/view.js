import { Box3, NeutralToneMapping, Vector3, VSMShadowMap, WebGLRenderer } from 'three';
import { Orbit } from './camera.js';
import { Dragger } from './drag.js';
import { Meter } from './meter.js';
import { Overlays } from './overlays.js';
import { Playback, STRIDE } from './playback.js';
import { Model } from './scene.js';
import { Studio } from './studio.js';
import { THEMES } from './theme.js';

const LOW = 0.25; // seconds of playback below which more is asked for
const LONGEST = 0.1; // seconds; a longer pause between frames is not made up for
const SHARPEST = 2; // pixels per CSS pixel, at most
const MIDDLE = 0.24; // share of the table's width and depth that the camera shows
const SLOW = 40; // frames per second below which the picture gets coarser

/**
 * How a view looks.
 *
 * @typedef {object} Options
 * @property {'light' | 'dark'} [theme]
 * @property {boolean} [still]  no continuous animation
 * @property {string} [accent]  color of the policy, #rrggbb
 */

/** Whether the browser can draw: a WebGL2 context can be had. */
export function available() {
  const context = document.createElement('canvas').getContext('webgl2');
  context?.getExtension('WEBGL_lose_context')?.loseContext();
  return context !== null;
}

/** A 3D view of a scene on a canvas, which plays clips of simulation. */
export class View {
  #canvas;
  #scene;
  #renderer;
  #model;
  #studio;
  #overlays;
  #orbit;
  #dragger;
  #playback;
  #meter = new Meter();
  /** @type {Box3[]} */
  #framed; // where each body has begun, and the middle of the table
  #hand = new Vector3();
  #speed = 1;
  #still = false;
  /** @type {(() => void) | null} */
  #need = null;
  #ratio = SHARPEST;
  #request = 0;
  #last = 0;
  #dirty = true;
  #onScreen = true;
  #lost = false;
  #started = false;
  #listeners = new AbortController();
  #resized;
  #seen;

  /**
   * @param {HTMLCanvasElement} canvas sized by CSS
   * @param {import('./scene.js').Scene} scene
   * @param {Options} [options]
   * @throws where WebGL2 is not to be had
   */
  constructor(canvas, scene, { theme = 'light', still = false, accent = '#0072b2' } = {}) {
    this.#canvas = canvas;
    this.#scene = scene;
    this.#renderer = new WebGLRenderer({ canvas, antialias: true });
    this.#renderer.toneMapping = NeutralToneMapping;
    this.#renderer.shadowMap.enabled = true;
    this.#renderer.shadowMap.type = VSMShadowMap;
    this.#model = new Model(scene);
    this.#studio = new Studio(this.#model);
    this.#overlays = new Overlays(accent);
    this.#orbit = new Orbit(canvas, this.#invalidate);
    this.#dragger = new Dragger(canvas, this.#orbit, this.#model, { hand: this.#locate, changed: this.#invalidate });
    this.#studio.scene.add(this.#overlays.root, this.#dragger.ghost);
    this.#playback = new Playback(scene.bodies.length, {
      segment: this.#onSegment,
      frame: this.#onFrame,
      end: this.#onEnd,
    });
    this.#framed = [...scene.bodies.map(() => new Box3()), this.#middle()];
    this.#orbit.frame(this.#framed, false);
    if (canvas.tabIndex < 0) canvas.tabIndex = 0;
    canvas.style.touchAction = 'pan-y';
    this.#listen();
    this.#resize();
    this.setTheme(theme);
    this.setStill(still);
  }

  /**
   * Appends a clip of simulation to what is played.
   *
   * @param {import('./playback.js').Segment} segment
   */
  queue(segment) {
    this.#playback.queue(segment);
    if (this.#still) this.#follow();
    this.#invalidate();
  }

  /** Drops what is queued and keeps the pose. */
  clear() {
    this.#playback.clear();
  }

  /** Seconds that are left to play, at speed 1. */
  get buffered() {
    return this.#playback.buffered;
  }

  /** Speed of playback: 1 is the simulation's own, 0 pauses. */
  get speed() {
    return this.#speed;
  }

  set speed(speed) {
    this.#speed = Math.max(0, speed);
    this.#wake();
  }

  /**
   * @param {'light' | 'dark'} name
   * @param {string} [accent]  another color of the policy
   */
  setTheme(name, accent) {
    if (accent) this.#overlays.accent = accent;
    const theme = THEMES[name] ?? THEMES.light;
    this.#canvas.style.backgroundColor = theme.middle; // shows while the graphics context is lost
    for (const part of [this.#studio, this.#model, this.#overlays, this.#dragger]) part.setTheme(theme);
    this.#invalidate();
  }

  /**
   * Reduced motion: shows the newest frame and redraws only on a change.
   *
   * @param {boolean} still
   */
  setStill(still) {
    this.#still = still;
    this.#playback.still = still;
    this.#orbit.still = still;
    if (still && this.#playback.ready) this.#follow();
    this.#invalidate();
  }

  /**
   * Chooses the overlays that are shown.
   *
   * @param {{cloud?: boolean, rewards?: boolean, planned?: boolean, executed?: boolean, demonstrator?: boolean}} shown
   */
  overlays(shown) {
    this.#overlays.shown = shown;
    this.#invalidate();
  }

  /**
   * Calls back, at most once for each animation frame, while little is left to play.
   *
   * @param {(() => void) | null} callback
   */
  onNeed(callback) {
    this.#need = callback;
    this.#wake();
  }

  /**
   * Lets the primary pointer drag a target for the hand.
   *
   * @param {(drag: import('./drag.js').Drag) => void} callback
   */
  enableDrag(callback) {
    this.#dragger.enable(callback);
  }

  /** Gives the primary pointer back to the camera. */
  disableDrag() {
    this.#dragger.disable();
    this.#invalidate();
  }

  /** The picture as the data URL of a PNG. */
  snapshot() {
    this.#draw(); // a canvas keeps its picture only until the end of the task
    return this.#canvas.toDataURL('image/png');
  }

  /**
   * How drawing went over the last second.
   *
   * @returns {{fps: number, frames: number, drawMs: number}} frames per second, frames so far, milliseconds per frame
   */
  stats() {
    return this.#meter.stats(performance.now());
  }

  /** Frees everything: memory of the GPU, listeners, observers and the animation frame. */
  dispose() {
    cancelAnimationFrame(this.#request);
    this.#onScreen = false;
    this.#need = null;
    this.#listeners.abort();
    this.#resized.disconnect();
    this.#seen.disconnect();
    this.#dragger.dispose();
    this.#orbit.dispose();
    this.#studio.free();
    this.#renderer.dispose();
  }

  #listen() {
    const { signal } = this.#listeners;
    document.addEventListener('visibilitychange', this.#wake, { signal });
    this.#canvas.addEventListener('webglcontextlost', this.#onLost, { signal });
    this.#canvas.addEventListener('webglcontextrestored', this.#onRestored, { signal });
    this.#resized = new ResizeObserver(this.#resize);
    this.#resized.observe(this.#canvas);
    this.#seen = new IntersectionObserver((entries) => {
      this.#onScreen = entries.at(-1).isIntersecting;
      this.#wake();
    });
    this.#seen.observe(this.#canvas);
  }

  #invalidate = () => {
    this.#dirty = true;
    this.#wake();
  };

  /** Sees to it that there is a next animation frame, if it can be seen. */
  #wake = () => {
    if (!this.#request && this.#visible) this.#request = requestAnimationFrame(this.#tick);
  };

  get #visible() {
    return this.#onScreen && !document.hidden && !this.#lost;
  }

  #tick = (now) => {
    this.#request = 0;
    const seconds = this.#last ? Math.min((now - this.#last) / 1000, LONGEST) : 0;
    const alive = this.#visible && this.#advance(seconds);
    if (this.#visible && this.#dirty) this.#draw();
    this.#last = alive ? now : 0; // time stands still while nothing goes on
    if (alive) this.#wake();
  };

  /** Lets time go by; returns whether there is a reason for another animation frame. */
  #advance(seconds) {
    const played = this.#playback.advance(seconds * this.#speed);
    if (played) this.#follow();
    const moving = this.#orbit.advance(seconds);
    const celebrating = this.#overlays.advance(seconds);
    if (celebrating) this.#model.glow(this.#overlays.pulse);
    const dragging = this.#dragger.active;
    this.#dragger.tell();
    const needed = this.#need !== null && this.buffered < LOW;
    if (needed) this.#need();
    this.#dirty ||= played || moving || celebrating;
    return moving || celebrating || dragging || needed || (this.#playback.playing && this.#speed > 0);
  }

  #draw() {
    if (this.#lost) return;
    const start = performance.now();
    this.#orbit.apply();
    this.#renderer.render(this.#studio.scene, this.#orbit.camera);
    this.#dirty = false;
    this.#meter.add(start, performance.now() - start);
    this.#adapt(start);
  }

  /** Draws fewer pixels where the machine can not keep up, down to one for each CSS pixel. */
  #adapt(now) {
    if (this.#ratio <= 1 || !this.#meter.slow(now, SLOW)) return;
    this.#ratio = Math.max(1, 0.75 * Math.min(this.#ratio, devicePixelRatio));
    this.#resize();
  }

  #resize = () => {
    const { clientWidth, clientHeight } = this.#canvas;
    if (!clientWidth || !clientHeight) return;
    const ratio = Math.min(devicePixelRatio, this.#ratio);
    this.#renderer.setPixelRatio(ratio);
    this.#renderer.setSize(clientWidth, clientHeight, false);
    const { width, height } = this.#canvas;
    this.#orbit.resize(width, height);
    this.#studio.resize(width, height);
    this.#overlays.resize(width, height, ratio);
    this.#dirty = true;
    if (this.#meter.frames) this.#draw(); // a new size empties the canvas
    this.#wake();
  };

  /** Moves what is drawn to the pose that is played. */
  #follow() {
    const { pose } = this.#playback;
    this.#model.pose(pose, 0);
    this.#overlays.trail(pose, this.#scene.grip * STRIDE);
  }

  #onSegment = (segment) => {
    this.#overlays.show(segment);
    if (segment.reset || this.#still) this.#calm();
    if (this.#started && !segment.reset) return;
    this.#model.pose(segment.poses, 0);
    // Gently, unless there was nothing to see before.
    if (this.#model.bound(this.#framed)) this.#orbit.frame(this.#framed, this.#started);
    this.#started = true;
  };

  #onFrame = (poses, offset, interval) => {
    this.#overlays.executed(poses, offset + this.#scene.grip * STRIDE, interval);
  };

  #onEnd = (segment) => {
    if (!segment.success) return;
    this.#model.glow(1);
    if (!this.#still) this.#overlays.succeed(this.#playback.pose, this.#model.showsSuccess * STRIDE);
  };

  #calm() {
    this.#overlays.calm();
    this.#model.glow(0);
  }

  /** Where the hand is now. */
  #locate = () => this.#hand.fromArray(this.#playback.pose, this.#scene.grip * STRIDE);

  /** The middle of the table's surface. */
  #middle() {
    const { table, ground } = this.#model;
    const middle = new Box3();
    if (table.isEmpty()) return middle;
    const size = table.getSize(new Vector3()).multiplyScalar(MIDDLE).setZ(0);
    return middle.setFromCenterAndSize(table.getCenter(new Vector3()).setZ(ground), size);
  }

  #onLost = () => {
    this.#lost = true;
    this.#studio.free();
  };

  /** Three.js uploads all again. */
  #onRestored = () => {
    this.#lost = false;
    this.#invalidate();
  };
}
