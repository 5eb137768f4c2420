/**
 * A clip of simulation.
 *
 * @typedef {object} Segment
 * @property {Float32Array} poses          frames * bodies * 7: x y z qw qx qy qz in the world
 * @property {number} interval             seconds between frames at speed 1
 * @property {Float32Array[]} [cloud]      the policy's proposals, polylines x y z x y z ...
 * @property {Float32Array} [demonstrator] where the demonstrator would go, a polyline
 * @property {Float32Array} [planned]      what the policy chose, a polyline
 * @property {Float32Array} [rewards]      places that a learned reward speaks of: x y z and a share of what it can give
 * @property {string} [label]              for the app; not drawn
 * @property {boolean} [reset]             a new episode: jump to the first frame
 * @property {boolean} [success]           the episode succeeds at the end of the segment
 */

/**
 * Who hears of playback.
 *
 * @typedef {object} Listener
 * @property {(segment: Segment) => void} segment                                       a segment begins
 * @property {(poses: Float32Array, offset: number, interval: number) => void} frame    a frame is reached
 * @property {(segment: Segment) => void} end                                           its last frame is reached
 */

/** Numbers of one body's pose. */
export const STRIDE = 7;

/** For so many seconds a success is left to look at before the next segment begins. */
const HOLD = 0.45;

/** Plays queued segments: a frame is reached `interval` seconds after the one before, and blended towards until then. */
export class Playback {
  /** Whether there is a pose to show. */
  ready = false;

  /** @type {Segment[]} */
  #segments = [];
  #frame = 0; // the frame that is coming
  #phase = 0; // seconds since the frame before
  #begun = false;
  #hold = 0;
  #still = false;
  #from; // the frame before
  #listener;

  /**
   * @param {number} bodies
   * @param {Listener} listener
   */
  constructor(bodies, listener) {
    /** The pose to show: bodies * 7 numbers. */
    this.pose = new Float32Array(bodies * STRIDE);
    this.#from = new Float32Array(bodies * STRIDE);
    this.#listener = listener;
  }

  /** Whether the newest queued frame is shown instead of playing; time goes by all the same. */
  get still() {
    return this.#still;
  }

  set still(still) {
    this.#still = still;
    if (still && this.playing) this.#jump(this.#segments.at(-1));
  }

  /** Whether anything is left to play. */
  get playing() {
    return this.#segments.length > 0;
  }

  /** Seconds left to play. */
  get buffered() {
    let seconds = 0;
    for (const segment of this.#segments) seconds += this.#frames(segment) * segment.interval;
    return this.playing ? seconds - this.#frame * this.#segments[0].interval - this.#phase : 0;
  }

  /** @param {Segment} segment */
  queue(segment) {
    const frames = this.#frames(segment);
    if (!Number.isInteger(frames) || frames === 0 || !(segment.interval > 0)) {
      throw new RangeError(`a segment has whole frames of ${this.pose.length} numbers and a positive interval`);
    }
    this.#segments.push(segment);
    if (this.#still) this.#jump(segment);
  }

  /** Drops what is queued and keeps the pose. */
  clear() {
    this.#segments.length = 0;
    this.#rewind();
    this.#hold = 0;
    this.#from.set(this.pose);
  }

  /**
   * Lets time go by.
   *
   * @param {number} seconds
   * @returns {boolean} whether the pose may have changed
   */
  advance(seconds) {
    if (seconds <= 0 || !this.playing) return false;
    const held = Math.min(this.#hold, seconds);
    this.#hold -= held;
    let left = seconds - held;
    while (left > 0 && this.playing && this.#hold === 0) left = this.#step(left);
    if (!this.#still) this.#blend();
    return !this.#still;
  }

  /** Goes on to the next frame or for `seconds`, whichever comes first; returns what is left of them. */
  #step(seconds) {
    const segment = this.#segments[0];
    if (!this.#begun) this.#begin(segment);
    const due = segment.interval - this.#phase;
    if (seconds < due) {
      this.#phase += seconds;
      return 0;
    }
    this.#reach(segment);
    return seconds - due;
  }

  #begin(segment) {
    this.#begun = true;
    if (this.#still) return;
    if (segment.reset || !this.ready) this.#copy(segment, 0);
    this.ready = true;
    this.#listener.segment(segment);
  }

  #reach(segment) {
    if (!this.#still) {
      this.#copy(segment, this.#frame);
      this.#listener.frame(segment.poses, this.#frame * this.pose.length, segment.interval);
    }
    this.#phase = 0;
    this.#frame += 1;
    if (this.#frame < this.#frames(segment)) return;
    this.#segments.shift();
    this.#rewind();
    if (this.#still) return;
    if (segment.success) this.#hold = HOLD;
    this.#listener.end(segment);
  }

  /** Shows the last frame of a segment at once. */
  #jump(segment) {
    const size = this.pose.length;
    this.ready = true;
    this.#listener.segment(segment);
    for (let offset = 0; offset < segment.poses.length; offset += size) {
      this.#listener.frame(segment.poses, offset, segment.interval);
    }
    this.#copy(segment, this.#frames(segment) - 1);
    this.pose.set(this.#from);
    this.#listener.end(segment);
  }

  #blend() {
    const { pose } = this;
    const from = this.#from;
    if (!this.playing || !this.#begun || this.#phase === 0) {
      pose.set(from);
      return;
    }
    const { poses, interval } = this.#segments[0];
    const start = this.#frame * pose.length;
    const t = this.#phase / interval;
    for (let i = 0; i < pose.length; i += STRIDE) {
      for (let k = i; k < i + 3; k++) pose[k] = from[k] + (poses[start + k] - from[k]) * t;
      blendRotation(pose, from, poses, i + 3, start + i + 3, t);
    }
  }

  #copy(segment, frame) {
    const size = this.pose.length;
    const start = frame * size;
    for (let i = 0; i < size; i++) this.#from[i] = segment.poses[start + i];
  }

  #rewind() {
    this.#frame = 0;
    this.#phase = 0;
    this.#begun = false;
  }

  #frames(segment) {
    return segment.poses.length / this.pose.length;
  }
}

/** Normalized linear interpolation of quaternions, along the shorter way. */
function blendRotation(out, from, to, i, j, t) {
  let dot = 0;
  for (let k = 0; k < 4; k++) dot += from[i + k] * to[j + k];
  const s = dot < 0 ? -t : t;
  let square = 0;
  for (let k = 0; k < 4; k++) {
    const value = from[i + k] * (1 - t) + to[j + k] * s;
    out[i + k] = value;
    square += value * value;
  }
  const scale = square > 0 ? 1 / Math.sqrt(square) : 0;
  for (let k = 0; k < 4; k++) out[i + k] *= scale;
}
