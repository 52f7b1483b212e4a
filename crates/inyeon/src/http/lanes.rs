//! Large bodies are read beside the threads that answer: whoever sends a small one does not wait behind all the
//! large ones that came before. Each source has a lane of its own, as wide as the machine, so that the system shares
//! the processors out between sources and not between requests.

use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// A smaller body is read faster than it is handed to another thread.
const LARGE_BYTES: usize = 16 << 10;

/// The lanes of all sources; there are no more than have a key.
pub struct Lanes {
    width: usize,
    of: Mutex<FxHashMap<Arc<str>, Arc<Semaphore>>>,
}

impl Lanes {
    pub(super) fn new() -> Self {
        let width = std::thread::available_parallelism().map_or(2, usize::from);
        Lanes { width, of: Mutex::default() }
    }

    fn lane(&self, source: &Arc<str>) -> Arc<Semaphore> {
        let mut lanes = self.of.lock().expect("no panic while held");
        lanes.entry(source.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.width))).clone()
    }

    /// Does the work on a body of so many bytes: here where it is small, else in the source's lane.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        source: &Arc<str>,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if bytes < LARGE_BYTES {
            return work();
        }
        let lane = self.lane(source);
        let _place = lane.acquire().await.expect("a lane is never closed");
        match tokio::task::spawn_blocking(work).await.map_err(JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The server ends and begins nothing more; nobody waits for this answer.
            Err(Err(_)) => std::future::pending().await,
        }
    }
}
