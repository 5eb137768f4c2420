//! Rotations in a plane, and matrices of two rows and columns.

/// A rotation: its cosine and its sine.
pub type Turn = (f64, f64);

/// The largest error of rounding, in parts of a number.
pub const EPSILON: f64 = f64::EPSILON / 2.0;
/// The smallest number whose inverse is one.
pub const LEAST: f64 = f64::MIN_POSITIVE;

/// The rotation that brings (f, g) onto the first axis, and the length there (`dlartg`).
pub fn lartg(f: f64, g: f64) -> (Turn, f64) {
    if g == 0.0 {
        return ((1.0, 0.0), f);
    }
    if f == 0.0 {
        return ((0.0, 1f64.copysign(g)), g.abs());
    }
    let low = LEAST.sqrt();
    let high = (1.0 / LEAST / 2.0).sqrt();
    let is_usual = |v: f64| v.abs() > low && v.abs() < high;
    if is_usual(f) && is_usual(g) {
        // A division by a scale of 1 would change nothing, and every later step waits for it.
        return turn_of(f, g);
    }
    let scale = (1.0 / LEAST).min(LEAST.max(f.abs()).max(g.abs()));
    let (turn, r) = turn_of(f / scale, g / scale);
    (turn, r * scale)
}

/// The same for numbers whose squares are neither too large nor too small.
#[inline(always)]
fn turn_of(f: f64, g: f64) -> (Turn, f64) {
    let length = (f * f + g * g).sqrt();
    let r = length.copysign(f);
    ((f.abs() / length, g / r), r)
}

/// The smaller singular value of ((f, g), (0, h)) (`dlas2`).
pub fn las2(f: f64, g: f64, h: f64) -> f64 {
    let small = f.abs().min(h.abs());
    let large = f.abs().max(h.abs());
    let ga = g.abs();
    if small == 0.0 {
        return 0.0;
    }
    let sum = 1.0 + small / large;
    let difference = (large - small) / large;
    if ga < large {
        let ratio = ga / large;
        let au = ratio * ratio;
        let c = 2.0 / ((sum * sum + au).sqrt() + (difference * difference + au).sqrt());
        return small * c;
    }
    let au = large / ga;
    if au == 0.0 {
        return (small * large) / ga;
    }
    let a = sum * au;
    let b = difference * au;
    let c = 1.0 / ((1.0 + a * a).sqrt() + (1.0 + b * b).sqrt());
    let half = (small * c) * au;
    half + half
}

/// The singular values of ((f, g), (0, h)), the larger last, and the rotations to their right and
/// left vectors (`dlasv2`).
pub fn lasv2(f: f64, g: f64, h: f64) -> ([f64; 2], Turn, Turn) {
    let swap = h.abs() > f.abs();
    let (ft, ht) = if swap { (h, f) } else { (f, h) };
    let (fa, ha, ga) = (ft.abs(), ht.abs(), g.abs());
    let is_largest = ga > fa;
    let (least, most, (clt, slt), (crt, srt)) = if ga == 0.0 {
        (ha, fa, (1.0, 0.0), (1.0, 0.0))
    } else if is_largest && fa / ga < EPSILON {
        let least = if ha > 1.0 {
            fa / (ga / ha)
        } else {
            (fa / ga) * ha
        };
        (least, ga, (1.0, ht / g), (ft / g, 1.0))
    } else {
        let d = fa - ha;
        let l = if d == fa { 1.0 } else { d / fa };
        let m = g / ft;
        let t = 2.0 - l;
        let mm = m * m;
        let s = (t * t + mm).sqrt();
        let r = if l == 0.0 {
            m.abs()
        } else {
            (l * l + mm).sqrt()
        };
        let a = 0.5 * (s + r);
        let t = if mm != 0.0 {
            (m / (s + t) + m / (r + l)) * (1.0 + a)
        } else if l == 0.0 {
            2f64.copysign(ft) * 1f64.copysign(g)
        } else {
            g / d.copysign(ft) + m / t
        };
        let l = (t * t + 4.0).sqrt();
        let crt = 2.0 / l;
        let srt = t / l;
        let clt = (crt + srt * m) / a;
        let slt = (ht / ft) * srt / a;
        (ha / a, fa * a, (clt, slt), (crt, srt))
    };
    let (left, right) = if swap {
        ((srt, crt), (slt, clt))
    } else {
        ((clt, slt), (crt, srt))
    };
    let one = |v: f64| 1f64.copysign(v);
    let sign = if is_largest {
        one(right.1) * one(left.0) * one(g)
    } else if swap {
        one(right.1) * one(left.1) * one(h)
    } else {
        one(right.0) * one(left.0) * one(f)
    };
    let least = least.copysign(sign * one(f) * one(h));
    ([least, most.copysign(sign)], right, left)
}
