//! The account PostgreSQL runs under, for it refuses to run as root.
//!
//! As root that is `nobody`; otherwise the caller's own, and nothing is to be done.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{User, geteuid};

const UNPRIVILEGED_USER: &str = "nobody";
/// Where PostgreSQL's data goes when `nobody` may not enter the folder it belongs in.
const OPEN_FOLDER: &str = "/var/lib/hooklog-dev";

/// Another user than the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Numeric user id.
    pub uid: u32,
    /// Numeric group id.
    pub gid: u32,
}

impl Account {
    /// `nobody` if the caller is root, `None` otherwise.
    pub fn for_postgres() -> io::Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let user = User::from_name(UNPRIVILEGED_USER)?
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no user `nobody`"))?;
        Ok(Some(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
    }

    /// Gives the folder itself to this account.
    pub fn take(self, folder: &Path) -> io::Result<()> {
        chown(folder, Some(self.uid), Some(self.gid))
    }

    /// Makes the command run as this account (supplementary groups are dropped too).
    pub fn apply(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// Whether every folder from the root down to `path` lets everybody pass.
///
/// Folders that do not exist yet count as passable: whoever makes them decides.
pub fn others_may_enter(path: &Path) -> bool {
    path.ancestors().all(|folder| {
        fs::metadata(folder).map_or(true, |found| found.permissions().mode() & 0o001 != 0)
    })
}

/// A folder for `wanted` that `nobody` can reach: `wanted` itself, or else one of the same
/// meaning outside, with `wanted` left as a link to it so that a reader still finds it.
pub fn reachable(wanted: &Path) -> io::Result<PathBuf> {
    if let Ok(target) = fs::read_link(wanted) {
        fs::create_dir_all(&target)?;
        return Ok(target);
    }
    let parent = wanted.parent().unwrap_or(Path::new("/"));
    if wanted.exists() || others_may_enter(parent) {
        fs::create_dir_all(wanted)?;
        return Ok(wanted.to_owned());
    }
    open_to_all(Path::new(OPEN_FOLDER))?;
    let outside = tempfile::Builder::new().prefix("postgres-").tempdir_in(OPEN_FOLDER)?.keep();
    std::os::unix::fs::symlink(&outside, wanted)?;
    Ok(outside)
}

/// Makes the folder and lets everybody read it, whatever the umask.
pub fn open_to_all(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

/// Undoes [`reachable`]: removes what a link left by it points to, and the link. A real
/// folder is left alone.
pub fn remove_reachable(wanted: &Path) -> io::Result<()> {
    let Ok(target) = fs::read_link(wanted) else { return Ok(()) };
    if target.starts_with(OPEN_FOLDER) && target.exists() {
        fs::remove_dir_all(&target)?;
    }
    fs::remove_file(wanted)
}
