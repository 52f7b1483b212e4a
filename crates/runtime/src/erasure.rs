//! The register of erased subjects, beside the master key: a restored backup consults it, so that erasing someone
//! is not undone by bringing an older copy back.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::KeyId;
use store::Layout;

/// Adds destroyed keys; one line each. On an error the path that failed comes with it.
pub(crate) fn register(layout: &Layout, keys: &[KeyId]) -> Result<(), (PathBuf, io::Error)> {
    let path = store::destroyed_register(&layout.dir);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let lines: String = keys.iter().map(|key| format!("{}\n", key.0)).collect();
        file.write_all(lines.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| (path.clone(), source))
}

/// The keys that were destroyed in the store at `dir`; none where there is no register.
pub fn destroyed(dir: &Path) -> io::Result<BTreeSet<KeyId>> {
    match fs::read_to_string(store::destroyed_register(dir)) {
        Ok(text) => Ok(text.lines().filter_map(|line| line.trim().parse().ok()).map(KeyId).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}
