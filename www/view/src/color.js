import { SRGBColorSpace } from 'three';

const hsl = { h: 0, s: 0, l: 0 };

/**
 * Gives a color at least so much lightness.
 *
 * @param {import('three').Color} color is changed
 * @param {number} lightness 0..1
 */
export function lighten(color, lightness) {
  color.getHSL(hsl, SRGBColorSpace);
  return color.setHSL(hsl.h, hsl.s, Math.max(hsl.l, lightness), SRGBColorSpace);
}
