//! The few file operations that the logs and keys need, so that a test can make each of them fail.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Where files lie: the real disk, or in tests one that fails on purpose.
#[derive(Clone, Default)]
pub enum Disk {
    #[default]
    Real,
    #[cfg(feature = "faults")]
    Faulty(std::sync::Arc<faults::Plan>),
}

/// An open file, written at offsets that the owner keeps.
pub struct DiskFile {
    file: File,
    #[cfg(feature = "faults")]
    faults: Option<(std::sync::Arc<faults::Plan>, std::path::PathBuf)>,
}

impl Disk {
    /// The disk that the environment asks for: `INYEON_FAULT` in a build with faults, else the real one.
    pub fn from_environment() -> Self {
        #[cfg(feature = "faults")]
        if let Some(plan) = faults::Plan::from_environment() {
            return Disk::Faulty(std::sync::Arc::new(plan));
        }
        Disk::Real
    }

    /// Opens for reading and writing; `create` makes a missing file, readable by its owner only.
    pub fn open(&self, path: &Path, create: bool) -> io::Result<DiskFile> {
        let file = OpenOptions::new().read(true).write(true).create(create).mode(0o600).open(path)?;
        Ok(self.wrap(file, path))
    }

    fn wrap(&self, file: File, path: &Path) -> DiskFile {
        #[cfg(not(feature = "faults"))]
        let _ = path;
        DiskFile {
            file,
            #[cfg(feature = "faults")]
            faults: match self {
                Disk::Real => None,
                Disk::Faulty(plan) => Some((plan.clone(), path.to_owned())),
            },
        }
    }

    /// Makes a directory and those above it, where they are missing, with durable names.
    pub fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let missing: Vec<&Path> =
            dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
        fs::create_dir_all(dir)?;
        for made in missing {
            match made.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                Some(parent) => self.sync_dir(parent)?,
                None => self.sync_dir(Path::new("."))?,
            }
        }
        Ok(())
    }

    /// Makes the names in a directory durable.
    pub fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        #[cfg(feature = "faults")]
        if let Disk::Faulty(plan) = self {
            plan.before_sync()?;
        }
        File::open(dir)?.sync_all()
    }

    pub fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

impl DiskFile {
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(feature = "faults")]
        if let Some((plan, path)) = &self.faults {
            return plan.write(path, &self.file, bytes, offset);
        }
        self.file.write_all_at(bytes, offset)
    }

    pub fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    /// Reads up to the buffer's length; fewer bytes only at the end of the file.
    pub fn read_at_most(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < bytes.len() {
            match self.file.read_at(&mut bytes[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(n) => read += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(read)
    }

    /// Makes the written bytes durable (`fdatasync`).
    pub fn sync_data(&self) -> io::Result<()> {
        #[cfg(feature = "faults")]
        if let Some((plan, path)) = &self.faults {
            plan.before_sync()?;
            self.file.sync_data()?;
            plan.synced(path);
            return Ok(());
        }
        self.file.sync_data()
    }

    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    #[expect(clippy::len_without_is_empty, reason = "a file, not a collection")]
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

#[cfg(feature = "faults")]
pub mod faults {
    //! Faults on purpose.

    use std::collections::HashMap;
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, OnceLock};

    /// What the n-th write or sync does instead of its work.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub enum Fault {
        /// The n-th write fails with this errno, half of it done.
        Write { nth: u64, errno: i32 },
        /// Every write from the n-th on fails: a full disk.
        WritesFrom { nth: u64, errno: i32 },
        /// The n-th sync fails with this errno.
        Sync { nth: u64, errno: i32 },
        /// Every sync from the n-th on takes so many milliseconds: a disk under somebody else's load.
        SlowSyncs { nth: u64, millis: u64 },
    }

    /// A disk that fails as told, and remembers what was not synced so that it can be dropped.
    #[derive(Default)]
    pub struct Plan {
        fault: Mutex<Option<Fault>>,
        writes: AtomicU64,
        syncs: AtomicU64,
        /// Per file: what stood where unsynced writes went, oldest first, and the file's length before.
        unsynced: Mutex<HashMap<PathBuf, Vec<Undo>>>,
    }

    struct Undo {
        offset: u64,
        before: Vec<u8>,
        len_before: u64,
    }

    impl Plan {
        pub fn new(fault: Option<Fault>) -> Self {
            Plan { fault: Mutex::new(fault), ..Plan::default() }
        }

        /// `INYEON_FAULT=write:17:5` (kind `write`, `writes_from` or `sync`, number, errno), or
        /// `INYEON_FAULT=slow_syncs:1:20` (number, milliseconds).
        pub fn from_environment() -> Option<Self> {
            let text = std::env::var("INYEON_FAULT").ok()?;
            let mut parts = text.split(':');
            let kind = parts.next()?;
            let nth = parts.next()?.parse().ok()?;
            let errno: i32 = parts.next()?.parse().ok()?;
            let fault = match kind {
                "write" => Fault::Write { nth, errno },
                "writes_from" => Fault::WritesFrom { nth, errno },
                "sync" => Fault::Sync { nth, errno },
                "slow_syncs" => Fault::SlowSyncs { nth, millis: errno.try_into().ok()? },
                _ => return None,
            };
            Some(Plan::new(Some(fault)))
        }

        pub fn set(&self, fault: Option<Fault>) {
            *self.fault.lock().expect("no panic while held") = fault;
        }

        pub fn writes(&self) -> u64 {
            self.writes.load(Ordering::SeqCst)
        }

        pub fn syncs(&self) -> u64 {
            self.syncs.load(Ordering::SeqCst)
        }

        pub(super) fn write(&self, path: &Path, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
            let n = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
            let fault = *self.fault.lock().expect("no panic while held");
            let errno = match fault {
                Some(Fault::Write { nth, errno }) if nth == n => Some(errno),
                Some(Fault::WritesFrom { nth, errno }) if n >= nth => Some(errno),
                _ => None,
            };
            let done = if errno.is_some() { &bytes[..bytes.len() / 2] } else { bytes };
            let len_before = file.metadata()?.len();
            let overlap = len_before.saturating_sub(offset).min(done.len() as u64) as usize;
            let mut before = vec![0; overlap];
            file.read_exact_at(&mut before, offset)?;
            let undo = Undo { offset, before, len_before };
            self.unsynced.lock().expect("no panic while held").entry(path.to_owned()).or_default().push(undo);
            file.write_all_at(done, offset)?;
            errno.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
        }

        pub(super) fn before_sync(&self) -> io::Result<()> {
            let n = self.syncs.fetch_add(1, Ordering::SeqCst) + 1;
            let fault = *self.fault.lock().expect("no panic while held");
            match fault {
                Some(Fault::Sync { nth, errno }) if nth == n => Err(io::Error::from_raw_os_error(errno)),
                Some(Fault::SlowSyncs { nth, millis }) if n >= nth => {
                    std::thread::sleep(std::time::Duration::from_millis(millis));
                    Ok(())
                }
                _ => Ok(()),
            }
        }

        pub(super) fn synced(&self, path: &Path) {
            self.unsynced.lock().expect("no panic while held").remove(path);
        }

        /// The machine loses power: of each file's unsynced writes only the first `keep(n)` of n survive.
        pub fn lose_power(&self, mut keep: impl FnMut(usize) -> usize) {
            let unsynced = std::mem::take(&mut *self.unsynced.lock().expect("no panic while held"));
            let mut files: Vec<_> = unsynced.into_iter().collect();
            files.sort_by(|a, b| a.0.cmp(&b.0));
            for (path, undos) in files {
                let Ok(file) = File::options().write(true).open(&path) else { continue };
                let survivors = keep(undos.len()).min(undos.len());
                for undo in undos[survivors..].iter().rev() {
                    let undone = file
                        .write_all_at(&undo.before, undo.offset)
                        .and_then(|()| file.set_len(undo.len_before));
                    undone.expect("the simulated disk can be written");
                }
            }
        }
    }

    struct KillAt {
        name: String,
        left: AtomicU64,
    }

    pub(crate) fn pass(name: &str) {
        static KILL_AT: OnceLock<Option<KillAt>> = OnceLock::new();
        let kill_at = KILL_AT.get_or_init(|| {
            let text = std::env::var("INYEON_KILL_AT").ok()?;
            let (name, nth) = text.rsplit_once(':')?;
            Some(KillAt { name: name.to_owned(), left: AtomicU64::new(nth.parse().ok()?) })
        });
        if let Some(kill_at) = kill_at
            && kill_at.name == name
            && kill_at.left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            // SAFETY: plain system calls; the process ends here as if the power of its host did.
            unsafe {
                libc::kill(libc::getpid(), libc::SIGKILL);
            }
            loop {
                std::thread::park();
            }
        }
    }
}
