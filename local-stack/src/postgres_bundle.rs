//! Unpacks the PostgreSQL bundle: a jar (zip) that holds one `.txz` (tar, xz).

use std::fs::{self, File};
use std::io;
use std::path::Path;

use liblzma::read::XzDecoder;
use zip::ZipArchive;

use crate::account::open_to_all;

/// Unpacks `bundle` into `home`, which must not exist yet.
///
/// `home` appears by rename when it is whole; a crash leaves a `.new` folder that the next
/// call removes. File modes are the archive's own, whatever the umask: as root another
/// account runs what is unpacked here.
pub fn unpack(bundle: &Path, home: &Path) -> io::Result<()> {
    let fresh = home.with_extension("new");
    match fs::remove_dir_all(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => open_to_all(&fresh)?,
    }
    let mut jar = ZipArchive::new(File::open(bundle)?)?;
    let index = (0..jar.len())
        .find(
            |index| matches!(jar.name_for_index(*index), Some(Ok(name)) if name.ends_with(".txz")),
        )
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no .txz inside"))?;
    let mut archive = tar::Archive::new(XzDecoder::new(jar.by_index(index)?));
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(false);
    archive.unpack(&fresh)?;
    fs::rename(&fresh, home)
}
