import { CompressedCubeTexture, DataUtils, HalfFloatType, LinearFilter, LinearMipmapLinearFilter, RGBAFormat, Vector3 } from 'three';

const DOME = 0.85; // radiance of the room
/** Soft boxes: radiance, center, width and height; they face the middle. */
const BOXES = [softbox(2.2, [-1, -0.5, 6], 4, 4), softbox(6, [6, -1, 2.5], 2, 4), softbox(5, [-6, 2, 2], 1.5, 4)];

/** Texels a side of a face, and samples of each texel, level by level. The next level is rougher and smoother. */
const LEVELS = [[64, 4], [32, 64], [16, 128], [8, 256], [4, 512]];

/** What looks along the axis of each face: the directions of its middle, its columns and its rows in a cube map. */
const FACES = [
  [[1, 0, 0], [0, 0, -1], [0, -1, 0]],
  [[-1, 0, 0], [0, 0, 1], [0, -1, 0]],
  [[0, 1, 0], [1, 0, 0], [0, 0, 1]],
  [[0, -1, 0], [1, 0, 0], [0, 0, -1]],
  [[0, 0, 1], [1, 0, 0], [0, -1, 0]],
  [[0, 0, -1], [-1, 0, 0], [0, -1, 0]],
].map((axes) => axes.map((axis) => new Vector3(...axis)));

/** @type {ReturnType<face>[] | null} */
let faces = null;

/**
 * Three soft boxes in a dim room, as surfaces of every roughness reflect them.
 *
 * Not by three.js's PMREMGenerator: it makes no map of less than 256 texels, which takes seconds where the processor draws.
 * The room never changes, so its map is computed once for all views.
 */
export function room() {
  faces ??= FACES.map(face);
  const texture = new CompressedCubeTexture(faces, RGBAFormat, HalfFloatType);
  texture.magFilter = LinearFilter;
  texture.minFilter = LinearMipmapLinearFilter;
  texture.isPMREMTexture = true;
  texture.needsUpdate = true;
  return texture;
}

/** A face at all levels. */
function face(axes) {
  const mipmaps = LEVELS.map((_, level) => filtered(axes, level));
  return { width: mipmaps[0].width, height: mipmaps[0].height, mipmaps };
}

/** A face at a level. */
function filtered(axes, level) {
  const [size, samples] = LEVELS[level];
  const lobe = reflections(level, samples);
  const data = new Uint16Array(4 * size * size).fill(DataUtils.toHalfFloat(1));
  const look = new Vector3();
  for (let i = 0; i < size * size; i += 1) {
    look.copy(axes[0]);
    look.addScaledVector(axes[1], (2 * (i % size) + 1) / size - 1);
    look.addScaledVector(axes[2], (2 * Math.floor(i / size) + 1) / size - 1);
    look.x *= -1; // three.js mirrors cube maps that it has not drawn itself
    data.fill(DataUtils.toHalfFloat(seen(look.normalize(), lobe)), 4 * i, 4 * i + 3);
  }
  return { width: size, height: size, data };
}

/**
 * Directions in which a level's surfaces reflect a look at right angles, and their weights: GGX's normals, as PMREMGenerator
 * draws them (a spiral in place of its Hammersley points). The sharpest level has no lobe, but the width of a texel.
 */
function reflections(level, samples) {
  // PMREMGenerator.lodToRoughness.
  const roughness = 1 - Math.sqrt(1 - level / (LEVELS.length - 1));
  const alpha = Math.max(roughness ** 2, 0.25 / LEVELS[level][0]);
  const golden = Math.PI * (3 - Math.sqrt(5));
  const lobe = [];
  for (let i = 0; i < samples; i += 1) {
    const share = (i + 0.5) / samples;
    const cosine = (1 - share - alpha ** 2 * share) / (1 - share + alpha ** 2 * share);
    const sine = Math.sqrt(1 - cosine ** 2);
    if (cosine > 0) lobe.push([sine * Math.cos(i * golden), sine * Math.sin(i * golden), cosine]);
  }
  return lobe;
}

const across = new Vector3();
const along = new Vector3();
const ray = new Vector3();

/** The room's radiance about a direction, in the mean over a lobe. */
function seen(look, lobe) {
  across.set(0, 0, 1).cross(look);
  if (across.lengthSq() < 1e-6) across.set(1, 0, 0);
  along.crossVectors(look, across.normalize());
  let sum = 0;
  let weights = 0;
  for (const [x, y, cosine] of lobe) {
    ray.copy(look).multiplyScalar(cosine).addScaledVector(across, x).addScaledVector(along, y);
    sum += cosine * radiance(ray);
    weights += cosine;
  }
  return sum / weights;
}

function radiance(ray) {
  const box = BOXES.find(({ towards, distance, right, up, width, height }) => {
    const reach = distance / ray.dot(towards); // to the box's plane
    return reach > 0 && Math.abs(reach * ray.dot(right)) < width / 2 && Math.abs(reach * ray.dot(up)) < height / 2;
  });
  return box?.strength ?? DOME;
}

function softbox(strength, center, width, height) {
  const towards = new Vector3(...center);
  const distance = towards.length();
  const right = new Vector3(0, 0, 1).cross(towards.normalize()).normalize();
  const up = new Vector3().crossVectors(towards, right);
  return { strength, towards, distance, right, up, width, height };
}
