import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Playback } from '../src/playback.js';

const HALF = Math.SQRT1_2;

/** A segment of one body that is at the given x in each frame. */
function segment(xs, more = {}) {
  return { poses: new Float32Array(xs.flatMap((x) => [x, 0, 0, 1, 0, 0, 0])), interval: 0.1, ...more };
}

/** A playback, and what its listener was told. */
function player() {
  const told = [];
  const playback = new Playback(1, {
    segment: (s) => told.push(s.label ?? 'segment'),
    frame: (poses, offset) => told.push(poses[offset]),
    end: (s) => told.push(s.success ? 'success' : 'end'),
  });
  return { playback, told };
}

const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-6, `${a} is not ${b}`);

test('frames are reached one interval after another and blended between', () => {
  const { playback, told } = player();
  playback.queue(segment([0, 1, 2]));
  near(playback.buffered, 0.3);
  playback.advance(0.15);
  near(playback.pose[0], 0.5);
  near(playback.buffered, 0.15);
  playback.advance(0.1);
  near(playback.pose[0], 1.5);
  playback.advance(1);
  near(playback.pose[0], 2);
  assert.equal(playback.buffered, 0);
  assert.deepEqual(told, ['segment', 0, 1, 2, 'end']);
});

test('a segment goes on from the one before, and a reset jumps', () => {
  const { playback } = player();
  playback.queue(segment([0]));
  playback.queue(segment([1]));
  playback.queue(segment([9], { reset: true }));
  playback.advance(0.15);
  near(playback.pose[0], 0.5);
  playback.advance(0.06);
  near(playback.pose[0], 9);
});

test('rotations take the shorter way and stay of length 1', () => {
  const { playback } = player();
  const poses = new Float32Array([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, -HALF, 0, 0, -HALF]);
  playback.queue({ poses, interval: 0.1 });
  playback.advance(0.15);
  near(playback.pose[3], Math.cos(Math.PI / 8));
  near(playback.pose[6], Math.sin(Math.PI / 8));
});

test('a success is left to look at for a moment', () => {
  const { playback, told } = player();
  playback.queue(segment([0], { success: true }));
  playback.queue(segment([5], { reset: true }));
  playback.advance(0.2);
  near(playback.pose[0], 0);
  assert.deepEqual(told, ['segment', 0, 'success']);
  playback.advance(0.5);
  near(playback.pose[0], 5);
});

test('clearing keeps the pose', () => {
  const { playback } = player();
  playback.queue(segment([0, 1, 2]));
  playback.advance(0.15);
  playback.clear();
  playback.advance(1);
  near(playback.pose[0], 0.5);
  playback.queue(segment([1.5]));
  playback.advance(0.05);
  near(playback.pose[0], 1);
});

test('still, the newest frame shows at once and time goes by', () => {
  const { playback, told } = player();
  playback.still = true;
  playback.queue(segment([0, 1], { label: 'a' }));
  playback.queue(segment([2, 3], { label: 'b' }));
  near(playback.pose[0], 3);
  assert.deepEqual(told, ['a', 0, 1, 'end', 'b', 2, 3, 'end']);
  assert.equal(playback.advance(0.3), false);
  near(playback.buffered, 0.1);
  near(playback.pose[0], 3);
});

test('poses that do not fit the scene are refused', () => {
  const { playback } = player();
  assert.throws(() => playback.queue({ poses: new Float32Array(8), interval: 0.1 }), RangeError);
  assert.throws(() => playback.queue({ poses: new Float32Array(7), interval: 0 }), RangeError);
});
