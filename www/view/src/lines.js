import {
  BufferAttribute,
  BufferGeometry,
  Color,
  DynamicDrawUsage,
  InstancedBufferGeometry,
  InstancedInterleavedBuffer,
  InterleavedBufferAttribute,
  Mesh,
  Points,
  ShaderMaterial,
  Vector2,
} from 'three';

/** What all lines and dots need to know of the picture: its size in pixels, and pixels per unit of width. */
export class Pixels {
  resolution = { value: new Vector2(1, 1) };
  scale = { value: 1 };
}

/** The opacity of the copies that separate polylines. */
export const BREAK = -1;

/**
 * Polylines of constant width on the screen, with mitred joints and an opacity per point. One buffer, made once, holds
 * all points; each piece of a line is an instance that sees four points in a row, so a point is stored once. A polyline
 * begins and ends with a copy of its end point whose opacity is negative, and pieces that touch a copy are not drawn.
 */
export class Lines extends Mesh {
  #buffer;
  #count = 0;

  /**
   * @param {number} capacity points, copies included
   * @param {Pixels} pixels
   * @param {{width: number, halo?: number, opacity?: number}} style
   */
  constructor(capacity, pixels, { width, halo = 0, opacity = 1 }) {
    const geometry = new InstancedBufferGeometry();
    const corners = new Float32Array([0, -1, 0, 1, -1, 0, 1, 1, 0, 0, 1, 0]);
    geometry.setAttribute('position', new BufferAttribute(corners, 3)).setIndex([0, 1, 2, 0, 2, 3]);
    const buffer = new InstancedInterleavedBuffer(new Float32Array((capacity + 3) * 4), 4).setUsage(DynamicDrawUsage);
    for (const [i, name] of ['before', 'from', 'to', 'after'].entries()) {
      geometry.setAttribute(name, new InterleavedBufferAttribute(buffer, 4, 4 * i));
    }
    geometry.instanceCount = 0;
    super(geometry, lineMaterial(pixels, width, halo, opacity));
    this.#buffer = buffer;
    this.frustumCulled = false;
  }

  /** Removes all points. */
  clear() {
    this.#count = 0;
    this.geometry.instanceCount = 0;
  }

  /**
   * Adds a polyline; what does not fit is left out.
   *
   * @param {Float32Array} points x y z x y z ...
   */
  add(points) {
    const last = points.length - 3;
    if (last < 3) return;
    this.put(points, 0, BREAK);
    for (let i = 0; i <= last; i += 3) this.put(points, i, 1);
    this.put(points, last, BREAK);
  }

  /**
   * Adds a point with an opacity; one below 0 begins or ends a polyline.
   *
   * @param {ArrayLike<number>} points
   * @param {number} i where in `points`
   * @param {number} opacity
   */
  put(points, i, opacity) {
    const { array } = this.#buffer;
    const k = this.#count * 4;
    if (k + 16 > array.length) return;
    array[k] = points[i];
    array[k + 1] = points[i + 1];
    array[k + 2] = points[i + 2];
    array[k + 3] = opacity;
    this.#count += 1;
  }

  /** Hands the points to the GPU. */
  flush() {
    this.#buffer.needsUpdate = true;
    this.geometry.instanceCount = Math.max(0, this.#count - 3);
  }

  /**
   * @param {Color} color
   * @param {string} halo
   */
  setColor(color, halo) {
    this.material.uniforms.color.value.copy(color);
    this.material.uniforms.haloColor.value.set(halo);
  }
}

/** Round dots of constant size on the screen: filled, or rings when the fill differs from the stroke. */
export class Dots extends Points {
  #count = 0;

  /**
   * @param {number} capacity
   * @param {Pixels} pixels
   * @param {{size: number, stroke?: number, opacity?: number}} style
   */
  constructor(capacity, pixels, { size, stroke = 0, opacity = 1 }) {
    const geometry = new BufferGeometry();
    const positions = new BufferAttribute(new Float32Array(capacity * 3), 3).setUsage(DynamicDrawUsage);
    const strengths = new BufferAttribute(new Float32Array(capacity), 1).setUsage(DynamicDrawUsage);
    geometry.setAttribute('position', positions).setAttribute('strength', strengths);
    geometry.setDrawRange(0, 0);
    super(geometry, dotMaterial(pixels, size, stroke, opacity));
    this.frustumCulled = false;
  }

  /** Removes all dots. */
  clear() {
    this.#count = 0;
    this.geometry.setDrawRange(0, 0);
  }

  /**
   * Adds a dot; one too many is left out.
   *
   * @param {Float32Array} points
   * @param {number} i where in `points`
   * @param {number} [share] how strongly it is drawn, 0..1
   */
  add(points, i, share = 1) {
    const { position, strength } = this.geometry.attributes;
    if (i < 0 || this.#count === position.count) return;
    position.setXYZ(this.#count, points[i], points[i + 1], points[i + 2]);
    strength.setX(this.#count, share);
    this.#count += 1;
  }

  /** Hands the dots to the GPU. */
  flush() {
    const { position, strength } = this.geometry.attributes;
    position.needsUpdate = strength.needsUpdate = true;
    this.geometry.setDrawRange(0, this.#count);
  }

  /**
   * @param {Color} stroke
   * @param {Color | string} fill
   */
  setColor(stroke, fill) {
    this.material.uniforms.color.value.copy(stroke);
    this.material.uniforms.fill.value.set(fill);
  }
}

function overlay(uniforms, vertexShader, fragmentShader) {
  const blending = { transparent: true, depthWrite: false, toneMapped: false };
  return new ShaderMaterial({ uniforms, vertexShader, fragmentShader, ...blending });
}

function lineMaterial({ resolution, scale }, width, halo, opacity) {
  return overlay(
    {
      resolution,
      scale,
      width: { value: width },
      halo: { value: halo },
      opacity: { value: opacity },
      color: { value: new Color() },
      haloColor: { value: new Color() },
    },
    /* glsl */ `
      attribute vec4 before;
      attribute vec4 from;
      attribute vec4 to;
      attribute vec4 after;
      uniform vec2 resolution;
      uniform float scale;
      uniform float width;
      uniform float halo;
      varying float side;
      varying float alpha;

      vec4 clip(vec4 point) { return projectionMatrix * modelViewMatrix * vec4(point.xyz, 1.0); }
      vec2 screen(vec4 clip) { return 0.5 * resolution * clip.xy / clip.w; }

      void main() {
        if (from.w < 0.0 || to.w < 0.0) {
          gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
          return;
        }
        bool start = position.x < 0.5;
        vec4 a = clip(from);
        vec4 b = clip(to);
        vec2 along = screen(b) - screen(a);
        along = length(along) > 1e-4 ? normalize(along) : vec2(1.0, 0.0);
        vec2 next = start ? screen(a) - screen(clip(before)) : screen(clip(after)) - screen(b);
        next = length(next) > 0.05 ? normalize(next) : along;
        vec2 tangent = dot(along, next) > -0.5 ? normalize(along + next) : along;
        float stretch = 1.0 / max(dot(tangent, along), 0.5);
        side = position.y * (0.5 * (width + 2.0 * halo) * scale + 1.0);
        alpha = start ? from.w : to.w;
        gl_Position = start ? a : b;
        gl_Position.xy += vec2(-tangent.y, tangent.x) * side * stretch * 2.0 / resolution * gl_Position.w;
      }`,
    /* glsl */ `
      uniform vec3 color;
      uniform vec3 haloColor;
      uniform float scale;
      uniform float width;
      uniform float halo;
      uniform float opacity;
      varying float side;
      varying float alpha;

      void main() {
        float core = clamp(0.5 * width * scale + 0.5 - abs(side), 0.0, 1.0);
        float cover = clamp(0.5 * (width + 2.0 * halo) * scale + 0.5 - abs(side), 0.0, 1.0);
        gl_FragColor = vec4(mix(haloColor, color, halo > 0.0 ? core : 1.0), cover * alpha * opacity);
        #include <colorspace_fragment>
      }`,
  );
}

function dotMaterial({ scale }, size, stroke, opacity) {
  return overlay(
    {
      scale,
      size: { value: size },
      stroke: { value: stroke },
      opacity: { value: opacity },
      color: { value: new Color() },
      fill: { value: new Color() },
      filled: { value: 1 },
    },
    /* glsl */ `
      attribute float strength;
      uniform float scale;
      uniform float size;
      varying float alpha;
      void main() {
        alpha = strength;
        gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
        gl_PointSize = size * scale + 2.0;
      }`,
    /* glsl */ `
      uniform vec3 color;
      uniform vec3 fill;
      uniform float filled;
      uniform float scale;
      uniform float size;
      uniform float stroke;
      uniform float opacity;
      varying float alpha;
      void main() {
        float outer = 0.5 * size * scale;
        float away = length(gl_PointCoord - 0.5) * (size * scale + 2.0);
        float inside = clamp(outer - stroke * scale + 0.5 - away, 0.0, 1.0);
        float cover = clamp(outer + 0.5 - away, 0.0, 1.0);
        cover = mix(cover - inside, cover, filled);
        gl_FragColor = vec4(stroke > 0.0 ? mix(color, fill, inside) : color, cover * opacity * alpha);
        #include <colorspace_fragment>
      }`,
  );
}
