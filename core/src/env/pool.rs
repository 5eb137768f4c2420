//! Many environments, stepped side by side.

use super::{Env, Step};
use crate::{Error, Result};

/// Environments distributed over threads. Results depend on the environments and the actions only,
/// never on the number of threads: nothing is shared between environments. In a browser everything
/// runs on the calling thread.
pub(crate) struct EnvPool {
    envs: Vec<Box<dyn Env>>,
    threads: usize,
}

impl EnvPool {
    /// `threads` is at least 1; more than there are environments is no use.
    ///
    /// # Errors
    /// When there is no environment.
    pub(crate) fn new(envs: Vec<Box<dyn Env>>, threads: usize) -> Result<Self> {
        if envs.is_empty() {
            return Err(Error::input("a pool needs at least one environment"));
        }
        let threads = threads.clamp(1, envs.len());
        Ok(Self { envs, threads })
    }

    /// Environment number `i`, for what concerns one alone (starting its next episode).
    pub(crate) fn env(&mut self, i: usize) -> &mut dyn Env {
        &mut *self.envs[i]
    }

    /// Plays one action in each active environment; `None` from the others. `actions` has an entry
    /// for every environment.
    ///
    /// # Errors
    /// The first error of any environment, and when a list has the wrong length.
    pub(crate) fn step(
        &mut self,
        active: &[bool],
        actions: &[Vec<f32>],
    ) -> Result<Vec<Option<Step>>> {
        self.one_each("flags", active.len())?;
        self.one_each("actions", actions.len())?;
        self.map(|i, env| active[i].then(|| env.step(&actions[i])).transpose())
            .into_iter()
            .collect()
    }

    /// Does `work` once in every environment and returns the results in order. One hand-over to the
    /// threads costs tens of microseconds: give it a whole chunk of actions to play rather than
    /// one.
    pub(crate) fn map<R: Send>(
        &mut self,
        work: impl Fn(usize, &mut dyn Env) -> R + Sync,
    ) -> Vec<R> {
        // Contiguous shares, so that results come back in order.
        let share = self.envs.len().div_ceil(self.threads);
        let shares = self.envs.chunks_mut(share).enumerate();
        let serve = |(k, envs): (usize, &mut [Box<dyn Env>])| -> Vec<R> {
            envs.iter_mut()
                .enumerate()
                .map(|(i, env)| work(k * share + i, &mut **env))
                .collect()
        };
        side_by_side(shares, serve).into_iter().flatten().collect()
    }

    /// Every environment's state.
    pub(crate) fn save(&self) -> Vec<Vec<u8>> {
        self.envs.iter().map(|env| env.save()).collect()
    }

    fn one_each(&self, what: &str, count: usize) -> Result<()> {
        let n = self.envs.len();
        if count == n {
            Ok(())
        } else {
            Err(Error::input(format!(
                "a pool of {n} environments was given {count} {what}; give one each"
            )))
        }
    }
}

/// One thread per item; the first item stays on this one.
#[cfg(not(target_arch = "wasm32"))]
fn side_by_side<T: Send, R: Send>(
    mut items: impl Iterator<Item = T>,
    serve: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let serve = &serve;
    std::thread::scope(|scope| {
        let first = items.next();
        let others: Vec<_> = items.map(|item| scope.spawn(move || serve(item))).collect();
        let mut results: Vec<R> = first.map(serve).into_iter().collect();
        for other in others {
            results.push(
                other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        results
    })
}

/// A browser's worker has one thread.
#[cfg(target_arch = "wasm32")]
fn side_by_side<T, R>(items: impl Iterator<Item = T>, serve: impl Fn(T) -> R) -> Vec<R> {
    items.map(serve).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::make;

    fn pool(threads: usize) -> EnvPool {
        EnvPool::new((0..5).map(|_| make("lab/lift").unwrap()).collect(), threads).unwrap()
    }

    /// Results do not depend on the number of threads, bit for bit, nor on which environments rest.
    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let seeds: Vec<u64> = (10..15).collect();
        let active = [true, true, false, true, true];
        let play = |threads| {
            let mut pool = pool(threads);
            let mut log = pool.map(|i, env| env.reset(seeds[i]));
            for _ in 0..30 {
                let actions = pool.map(|_, env| env.expert().unwrap());
                log.extend(
                    pool.step(&active, &actions)
                        .unwrap()
                        .into_iter()
                        .flatten()
                        .map(|step| step.obs),
                );
            }
            log
        };
        let alone = play(1);
        assert_eq!(alone, play(2));
        assert_eq!(alone, play(5));
    }

    /// A list of the wrong length is an error, not a panic and not a silent misassignment.
    #[test]
    fn lists_of_the_wrong_length_are_refused() {
        let mut pool = pool(2);
        let actions = vec![vec![0.0; 4]; 5];
        assert!(pool.step(&[true; 2], &actions).is_err());
        assert!(pool.step(&[true; 5], &[vec![0.0; 4]]).is_err());
    }
}
