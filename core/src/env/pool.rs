//! Many environments, stepped side by side.

use super::{Env, Step};
use crate::obs::Observation;
use crate::{Error, Result};

/// Environments distributed over threads. Results depend on the environments and the actions only,
/// never on the number of threads: nothing is shared between environments. In a browser everything
/// runs on the calling thread.
pub struct EnvPool {
    envs: Vec<Box<dyn Env>>,
    threads: usize,
}

impl EnvPool {
    /// `threads` is at least 1; more than there are environments is no use.
    ///
    /// # Errors
    /// When there is no environment.
    pub fn new(envs: Vec<Box<dyn Env>>, threads: usize) -> Result<Self> {
        if envs.is_empty() {
            return Err(Error::input("a pool needs at least one environment"));
        }
        let threads = threads.clamp(1, envs.len());
        Ok(Self { envs, threads })
    }

    /// Number of environments.
    pub fn len(&self) -> usize {
        self.envs.len()
    }

    /// Never: a pool has at least one environment.
    pub fn is_empty(&self) -> bool {
        self.envs.is_empty()
    }

    /// Environment number `i`, for what concerns one alone (starting its next episode).
    pub fn env(&mut self, i: usize) -> &mut dyn Env {
        &mut *self.envs[i]
    }

    /// Starts an episode everywhere: one seed per environment, one observation from each.
    ///
    /// # Errors
    /// When the number of seeds is not the number of environments.
    pub fn reset(&mut self, seeds: &[u64]) -> Result<Vec<Observation>> {
        self.one_each("seeds", seeds.len())?;
        Ok(self.map(|i, env| env.reset(seeds[i])))
    }

    /// Plays one action in each active environment; `None` from the others. `actions` has an entry
    /// for every environment.
    ///
    /// # Errors
    /// The first error of any environment, and when a list has the wrong length.
    pub fn step(&mut self, active: &[bool], actions: &[Vec<f32>]) -> Result<Vec<Option<Step>>> {
        self.one_each("flags", active.len())?;
        self.one_each("actions", actions.len())?;
        self.map(|i, env| active[i].then(|| env.step(&actions[i])).transpose())
            .into_iter()
            .collect()
    }

    /// Does `work` once in every environment and returns the results in order. One hand-over to the
    /// threads costs tens of microseconds: give it a whole chunk of actions to play rather than
    /// one.
    pub fn map<R: Send>(&mut self, work: impl Fn(usize, &mut dyn Env) -> R + Sync) -> Vec<R> {
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
    pub fn save(&self) -> Vec<Vec<u8>> {
        self.envs.iter().map(|env| env.save()).collect()
    }

    /// Restores what [`EnvPool::save`] wrote for the same environments.
    ///
    /// # Errors
    /// When the number of states is not the number of environments, or one of them is damaged or
    /// foreign; the pool is then unchanged.
    pub fn restore(&mut self, states: &[Vec<u8>]) -> Result<()> {
        self.one_each("states", states.len())?;
        let before = self.save();
        let put = |envs: &mut [Box<dyn Env>], states: &[Vec<u8>]| {
            envs.iter_mut()
                .zip(states)
                .try_for_each(|(env, state)| env.restore(state))
        };
        put(&mut self.envs, states).or_else(|error| put(&mut self.envs, &before).and(Err(error)))
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
            let mut log = pool.reset(&seeds).unwrap();
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
        assert!(pool.reset(&[1, 2]).is_err());
        assert!(pool.step(&[true; 5], &[vec![0.0; 4]]).is_err());
        assert!(pool.restore(&[]).is_err());
    }

    /// A restored pool goes on bit for bit, and one bad state among good ones changes nothing.
    #[test]
    fn a_restored_pool_goes_on_bit_for_bit() {
        let mut first = pool(2);
        first.reset(&[1, 2, 3, 4, 5]).unwrap();
        let actions = vec![vec![0.5, -0.2, -1.0, 1.0]; 5];
        first.step(&[true; 5], &actions).unwrap();
        let saved = first.save();
        let mut second = pool(1);
        let mut bad = saved.clone();
        bad[4].truncate(20);
        let before = second.save();
        assert!(second.restore(&bad).is_err());
        assert_eq!(second.save(), before);
        second.restore(&saved).unwrap();
        assert_eq!(
            first.step(&[true; 5], &actions).unwrap(),
            second.step(&[true; 5], &actions).unwrap()
        );
    }
}
