//! The noise schedule of a diffusion policy, and the steps of its samplers, as numbers on the host.

use super::Sampler;

/// The offset s of the cosine schedule (Nichol and Dhariwal 2021).
const OFFSET: f64 = 0.008;
/// The largest beta.
const MAX_BETA: f64 = 0.999;

/// One denoising step, from a latent x and the predicted noise eps to the mean of the next latent:
/// x0 = clip(x0_x x - x0_eps eps), mean = mean_x0 x0 + mean_x x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// The network's input for the time.
    pub time: usize,
    pub x0_x: f32,
    pub x0_eps: f32,
    pub mean_x0: f32,
    pub mean_x: f32,
    /// Standard deviation of the next latent around the mean.
    pub std: f32,
}

/// beta and the running product of alpha = 1 - beta for every time. In f32, step by step as DPPO
/// does: 1 / sqrt(product) is large at the noisiest time, where rounding is visible in the result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Schedule {
    betas: Vec<f32>,
    products: Vec<f32>,
}

impl Schedule {
    /// The cosine schedule over `times` times (Nichol and Dhariwal 2021, eq. 17).
    pub(crate) fn cosine(times: usize) -> Self {
        let level = |i: usize| {
            let angle =
                (i as f64 / times as f64 + OFFSET) / (1.0 + OFFSET) * std::f64::consts::FRAC_PI_2;
            libm::cos(angle) * libm::cos(angle)
        };
        let betas: Vec<f32> = (0..times)
            .map(|i| (1.0 - level(i + 1) / level(i)).clamp(0.0, MAX_BETA) as f32)
            .collect();
        let mut product = 1.0;
        let products = betas.iter().map(|beta| {
            product *= f64::from(1.0 - beta);
            product as f32
        });
        Self {
            products: products.collect(),
            betas,
        }
    }

    /// (signal, noise) of every time: x_t = signal x0 + noise eps.
    pub(crate) fn mixture(&self) -> Vec<(f32, f32)> {
        self.products
            .iter()
            .map(|&product| (product.sqrt(), (1.0 - product).sqrt()))
            .collect()
    }

    /// The steps of a sampler, noisiest first. `eta` scales the noise of DDIM, between 0 (none) and
    /// 1 (as much as DDPM would add).
    pub(crate) fn steps(&self, sampler: Sampler, inference_steps: usize, eta: f32) -> Vec<Step> {
        let times = self.products.len();
        match sampler {
            Sampler::Ddpm => (0..times).rev().map(|time| self.ddpm(time)).collect(),
            Sampler::Ddim => {
                // Leading spacing, as in DPPO's code: times 0, stride, 2 stride and so on. Sampling
                // then begins below the noisiest time, though from pure noise.
                let stride = times / inference_steps;
                (0..inference_steps)
                    .rev()
                    .map(|i| self.ddim(i * stride, i.checked_sub(1).map(|i| i * stride), eta))
                    .collect()
            }
        }
    }

    fn product(&self, time: Option<usize>) -> f32 {
        time.map_or(1.0, |time| self.products[time])
    }

    /// The posterior of x_{t-1} given x_t and x0 (Ho et al. 2020, equations 6 and 7).
    fn ddpm(&self, time: usize) -> Step {
        let beta = self.betas[time];
        let alpha = 1.0 - self.betas[time];
        let now = self.product(Some(time));
        let next = self.product(time.checked_sub(1));
        Step {
            time,
            x0_x: (1.0 / now).sqrt(),
            x0_eps: (1.0 / now - 1.0).sqrt(),
            mean_x0: beta * next.sqrt() / (1.0 - now),
            mean_x: (1.0 - next) * alpha.sqrt() / (1.0 - now),
            std: (beta * (1.0 - next) / (1.0 - now)).sqrt(),
        }
    }

    /// Song et al. 2021, equations 12 and 16, with eps computed anew from the clipped x0,
    /// eps = (x - sqrt(now) x0) / sqrt(1 - now): that makes the mean a mixture of x0 and x, too.
    fn ddim(&self, time: usize, next_time: Option<usize>, eta: f32) -> Step {
        let now = self.product(Some(time));
        let next = self.product(next_time);
        // Equation 16.
        let std = eta * ((1.0 - next) / (1.0 - now) * (1.0 - now / next)).sqrt();
        // The direction towards x_t. Rounding may leave less than 0 at the last step.
        let mean_eps = (1.0 - next - std * std).max(0.0).sqrt();
        Step {
            time,
            x0_x: (1.0 / now).sqrt(),
            x0_eps: (1.0 / now - 1.0).sqrt(),
            mean_x0: next.sqrt() - mean_eps * (now / (1.0 - now)).sqrt(),
            mean_x: mean_eps / (1.0 - now).sqrt(),
            std,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schedule starts almost clean and ends almost as noise, and DDIM starts where DPPO's
    /// does: at times 84 of 100 and 14 of 20 with products of 0.054 and 0.144, far from pure noise.
    #[test]
    fn the_cosine_schedule_has_the_known_levels() {
        for (times, first, product) in [(100, 84, 0.054), (20, 14, 0.144)] {
            let schedule = Schedule::cosine(times);
            let steps = schedule.steps(Sampler::Ddim, 8, 0.0);
            assert_eq!((steps[0].time, steps[7].time, steps.len()), (first, 0, 8));
            assert!(
                (schedule.products[first] - product).abs() < 1e-3,
                "{}",
                schedule.products[first]
            );
            assert!(schedule.products[0] > 0.98 && schedule.products[times - 1] < 1e-4);
            assert_eq!(schedule.betas[times - 1], 0.999);
        }
    }

    /// DDIM over all times with eta = 1 adds the noise of DDPM around the same mean (Song et al.
    /// 2021, section 4.1).
    #[test]
    fn ddim_with_all_noise_is_ddpm() {
        let schedule = Schedule::cosine(20);
        let close = |a: f32, b: f32| (a - b).abs() < 2e-4;
        for (ddim, ddpm) in schedule
            .steps(Sampler::Ddim, 20, 1.0)
            .iter()
            .zip(schedule.steps(Sampler::Ddpm, 20, 1.0))
        {
            assert!(
                close(ddim.std, ddpm.std)
                    && close(ddim.mean_x, ddpm.mean_x)
                    && close(ddim.mean_x0, ddpm.mean_x0),
                "{ddim:?} {ddpm:?}"
            );
        }
    }

    /// If the noise is known, one step keeps the level of the schedule: x_t = signal x0 + noise eps
    /// goes to the next time's mixture of the same x0 and eps (DDIM without noise).
    #[test]
    fn ddim_moves_along_the_mixture() {
        let schedule = Schedule::cosine(100);
        let mixture = schedule.mixture();
        let steps = schedule.steps(Sampler::Ddim, 8, 0.0);
        let x0 = 0.3;
        let eps = -0.8;
        for pair in steps.windows(2) {
            let at = |time: usize| mixture[time].0 * x0 + mixture[time].1 * eps;
            let x = at(pair[0].time);
            let found = pair[0].x0_x * x - pair[0].x0_eps * eps;
            assert!((found - x0).abs() < 1e-5);
            assert!((pair[0].mean_x0 * found + pair[0].mean_x * x - at(pair[1].time)).abs() < 1e-5);
        }
        assert_eq!(
            (steps[7].mean_x0, steps[7].mean_x, steps[7].std),
            (1.0, 0.0, 0.0),
            "the last step gives x0 itself"
        );
    }
}
