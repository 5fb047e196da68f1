//! Files that can be trusted: checked before the work, and replaced as a whole.
//!
//! A path that is a symbolic link means what it points to. What is no regular file (a device, a FIFO, a file that is a
//! mount point) is written in place; it is never replaced or removed. It must not know what the files are for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use anyhow::Context as _;

use crate::error::{Error, ExitCode};

/// The start of the name of a file that is not complete.
const PREFIX: &str = ".cibridge-";

/// The characters that tempfile adds to it.
#[cfg(unix)]
const RANDOM: usize = 6;

/// A temporary file is not locked in the moment between its creation and the lock.
#[cfg(unix)]
const YOUNG: std::time::Duration = std::time::Duration::from_secs(60);

/// Links in a row that are followed, as Linux does.
const LINKS: usize = 40;

/// What writes the content of a file.
pub type Write<'a> = &'a dyn Fn(&mut dyn io::Write) -> io::Result<()>;

/// The file that a path means, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Destination {
    /// A regular file, or one that is not there yet, to be replaced as a whole.
    Replace(PathBuf),
    /// Something that is written in place.
    InPlace(PathBuf),
}

/// Checks that the file `path`, called `what`, can be written, by what writing it needs: a file in its folder with a
/// name of its own, or the permission to write in place. Nothing is left behind. Fails with code 16.
pub fn check_writable(path: &Path, what: &str) -> Result<(), Error> {
    let failed = |error: io::Error| Error::local(what, &error);
    if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(Error::new(ExitCode::Local, what, "is a folder, not a file"));
    }
    match target(path).map_err(failed)? {
        Destination::Replace(path) => {
            if path.exists() {
                // Not to append, which is all that an append-only file (chattr +a) permits.
                OpenOptions::new().write(true).open(&path).map_err(failed)?;
            } else {
                // Also finds a name that the file system refuses.
                drop(OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?);
                fs::remove_file(&path).map_err(failed)?;
            }
            // A full disk still makes empty files.
            let mut probe = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder(&path)).map_err(failed)?;
            probe.write_all(&[0; 4096]).and_then(|()| probe.flush()).map_err(failed)
        }
        // Opening a FIFO waits for its reader, and a mistake is seen only when it is written to.
        Destination::InPlace(path) if is_fifo(&path) => Ok(()),
        Destination::InPlace(path) => OpenOptions::new().append(true).open(path).map(drop).map_err(failed),
    }
}

/// Checks the same for [`write_private`], which writes no device or FIFO. Fails with code 16.
pub fn check_private(path: &Path, what: &str) -> Result<(), Error> {
    match target(path).with_context(|| what.to_owned())? {
        Destination::Replace(_) => check_writable(path, what),
        Destination::InPlace(_) if path.is_dir() => check_writable(path, what),
        Destination::InPlace(_) => Err(not_private(what)),
    }
}

/// Writes a file so that a reader sees the old content or the new one, never a part. What is no regular file is written
/// in place.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_file_with(path, &|file| file.write_all(bytes))
}

/// The same for content that `write` writes; where a file cannot be replaced, it is asked a second time.
pub fn replace_file_with(path: &Path, write: Write<'_>) -> io::Result<()> {
    match target(path)? {
        Destination::InPlace(path) => write_in_place(OpenOptions::new().append(true), &path, write),
        Destination::Replace(path) => {
            let mut file = temporary(&path)?;
            write(&mut file)?;
            match file.persist(&path) {
                Ok(_) => Ok(()),
                // A mount point cannot be replaced, and a container mounts single files; nor can a file of somebody else
                // in a folder like /tmp, which everybody may write to.
                Err(error)
                    if matches!(error.error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::PermissionDenied) =>
                {
                    write_in_place(OpenOptions::new().write(true).truncate(true), &path, write)
                }
                Err(error) => Err(error.error),
            }
        }
    }
}

/// Writes a file that only its owner can read, as a whole. Fails with code 16.
pub fn write_private(path: &Path, what: &str, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error: io::Error| Error::local(what, &error);
    let Destination::Replace(path) = target(path).map_err(failed)? else {
        return Err(not_private(what));
    };
    // A temporary file is private from the start.
    let mut file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder(&path)).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Whether what is written to `path` replaces what was there. A device or a FIFO takes one text after the other.
pub fn is_replaceable(path: &Path) -> bool {
    matches!(target(path), Ok(Destination::Replace(_)))
}

/// Removes a file that an earlier call may have left. Only a regular file is removed; a link to one stays, and what it
/// points to is removed.
pub fn remove_regular_file(path: &Path) -> io::Result<bool> {
    match target(path)? {
        Destination::Replace(path) if path.exists() => fs::remove_file(path).map(|()| true),
        _ => Ok(false),
    }
}

/// A temporary file that is to get the name `path`, with the mode that the file has, or that a new one would get.
/// Fails where `path` is something that cannot be replaced.
pub fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    temporary(&replaceable(path)?)
}

/// The regular file that a path means, or one that is not there yet. Fails for anything else.
pub fn replaceable(path: &Path) -> io::Result<PathBuf> {
    match target(path)? {
        Destination::Replace(path) => Ok(path),
        Destination::InPlace(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file")),
    }
}

/// A file without a name for a part of what `path` is to hold: nothing is left of it, however the process ends.
pub fn scratch_for(path: &Path) -> io::Result<File> {
    match target(path)? {
        Destination::Replace(path) => tempfile::tempfile_in(folder(&path)),
        Destination::InPlace(_) => tempfile::tempfile(),
    }
}

/// The folder that a file lies in.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Checks that files can be made in a folder, or in the nearest one above it that is there. Fails with code 16.
pub fn check_folder(dir: &Path) -> Result<(), Error> {
    let what = format!("the folder {}", dir.display());
    let there = dir.ancestors().find(|folder| folder.symlink_metadata().is_ok()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let is_folder = fs::metadata(there).with_context(|| what.clone())?.is_dir();
    if !is_folder && there == dir {
        return Err(Error::new(ExitCode::Local, what, "is not a folder"));
    } else if !is_folder {
        return Err(Error::new(ExitCode::Local, what, format!("{} is not a folder", there.display())));
    }
    tempfile::tempfile_in(there).context(what)?;
    Ok(())
}

/// What a path means, links followed.
fn target(path: &Path) -> io::Result<Destination> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Destination::Replace(path)),
            Err(error) => return Err(error),
        };
        if metadata.is_symlink() {
            // The links of /dev/fd and /proc name files that have no path of their own (`>(…)`, /dev/stdout).
            let followed = fs::metadata(&path);
            if followed.is_ok_and(|followed| !followed.is_file())
                || path.starts_with("/proc")
                || path.starts_with("/dev")
            {
                return Ok(Destination::InPlace(path));
            }
            path = folder(&path).join(fs::read_link(&path)?);
        } else if metadata.is_file() {
            return Ok(Destination::Replace(path));
        } else {
            return Ok(Destination::InPlace(path));
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn write_in_place(options: &mut OpenOptions, path: &Path, write: Write<'_>) -> io::Result<()> {
    #[cfg(unix)]
    if is_fifo(path) {
        use rustix::fs::{OFlags, fcntl_setfl};
        use std::os::unix::fs::OpenOptionsExt as _;
        // Without a reader, opening a FIFO would wait for ever; so it fails. From then on a slow reader is waited for.
        options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let mut file = options.open(path)?;
        fcntl_setfl(&file, OFlags::empty())?;
        return write(&mut file);
    }
    let mut file = options.open(path)?;
    write(&mut file)?;
    file.flush()
}

fn is_fifo(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// A temporary file in a folder, with the mode of a new file. It is locked as long as this process has it, so that
/// [`remove_abandoned`] of another one leaves it alone.
pub fn temporary_in(dir: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As for any new file, the umask takes bits away.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(dir)?;
    // Not every file system has locks, and on Windows they would keep this process from reading the file.
    #[cfg(unix)]
    drop(file.as_file().try_lock());
    Ok(file)
}

/// Removes the temporary files that killed processes left in a folder: no process has locked them, and they are not as
/// young as one that is not locked yet.
#[cfg(unix)]
pub fn remove_abandoned(dir: &Path) {
    let is_abandoned = |path: &Path| {
        // Opening a FIFO would wait for ever.
        let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
        let age = metadata.modified().ok()?.elapsed().ok()?;
        Some(age > YOUNG && File::open(path).ok()?.try_lock().is_ok())
    };
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if random.is_some_and(|random| random.len() == RANDOM) && is_abandoned(&entry.path()) == Some(true) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// There are no locks to go by.
#[cfg(not(unix))]
pub fn remove_abandoned(_: &Path) {}

/// A temporary file beside a path that is no link, with the mode that the file is to have.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let file = temporary_in(folder(path))?;
    #[cfg(unix)]
    if let Ok(metadata) = fs::metadata(path) {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
        // Best effort: only root may give a file away.
        drop(fchown(file.as_file(), Some(metadata.uid()), Some(metadata.gid())));
        file.as_file().set_permissions(fs::Permissions::from_mode(metadata.permissions().mode() & 0o777))?;
    }
    Ok(file)
}

fn not_private(what: &str) -> Error {
    Error::new(ExitCode::Local, what, "is not a regular file, so others may be able to read it")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
    use std::process::Command;

    use super::*;

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A node of this folder's own: never one of the machine.
    fn node(path: &Path, arguments: &[&str]) {
        assert!(Command::new("mknod").arg(path).args(arguments).status().unwrap().success());
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_and_nothing_is_left_behind() {
        let folder = scratch();
        let file = folder.path().join("file");
        fs::write(&file, "old").unwrap();
        for bad in ["", "missing/r.json", "new/", "file/r.json", &"x".repeat(300)] {
            let path = folder.path().join(bad);
            let error = check_writable(&path, "the result file").unwrap_err();
            assert_eq!(error.code(), ExitCode::Local, "{bad}");
            assert!(!error.to_string().contains(PREFIX), "{error}");
        }
        for good in ["file", "new.json"] {
            check_writable(&folder.path().join(good), "the result file").unwrap();
        }
        assert_eq!(names(folder.path()), ["file"]);
        assert_eq!(fs::read(&file).unwrap(), b"old");
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_mode_and_a_new_one_obeys_the_umask() {
        let folder = scratch();
        let old = folder.path().join("old");
        for wanted in [0o600, 0o640, 0o666] {
            fs::write(&old, "old").unwrap();
            fs::set_permissions(&old, fs::Permissions::from_mode(wanted)).unwrap();
            replace_file(&old, b"new").unwrap();
            assert_eq!(mode(&old), wanted);
        }
        let (new, usual) = (folder.path().join("new"), folder.path().join("usual"));
        replace_file(&new, b"new").unwrap();
        fs::write(&usual, "").unwrap();
        assert_eq!(mode(&new), mode(&usual));
        let private = folder.path().join("private");
        check_private(&private, "the file").unwrap();
        write_private(&private, "the file", b"secret").unwrap();
        assert_eq!(mode(&private), 0o600);
        assert_eq!(names(folder.path()), ["new", "old", "private", "usual"]);
    }

    #[test]
    fn a_link_stays_and_its_target_is_replaced_or_removed() {
        let folder = scratch();
        let (real, link, chain) = (folder.path().join("real"), folder.path().join("link"), folder.path().join("chain"));
        fs::write(&real, "old").unwrap();
        symlink("real", &link).unwrap();
        symlink("link", &chain).unwrap();
        check_writable(&chain, "the file").unwrap();
        replace_file(&chain, b"new").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(remove_regular_file(&chain).unwrap());
        assert!(!real.exists() && link.is_symlink() && chain.is_symlink());
        check_writable(&chain, "the file").unwrap();
        replace_file(&chain, b"again").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"again");
        symlink("loop", folder.path().join("loop")).unwrap();
        assert!(check_writable(&folder.path().join("loop"), "the file").is_err());
    }

    #[test]
    fn a_device_is_written_in_place_and_never_removed() {
        if !rustix::process::getuid().is_root() {
            return; // Only root can make a device.
        }
        let folder = scratch();
        let (null, full) = (folder.path().join("null"), folder.path().join("full"));
        node(&null, &["c", "1", "3"]);
        node(&full, &["c", "1", "7"]);
        let is_device = |path: &Path| fs::symlink_metadata(path).unwrap().file_type().is_char_device();
        for path in [&null, &full] {
            check_writable(path, "the file").unwrap();
            assert!(!remove_regular_file(path).unwrap());
            assert!(check_private(path, "the file").is_err() && write_private(path, "the file", b"secret").is_err());
            assert!(temporary_beside(path).is_err());
        }
        replace_file(&null, b"new").unwrap();
        assert!(replace_file(&full, b"new").is_err());
        assert!(is_device(&null) && is_device(&full));
    }

    #[test]
    fn a_fifo_takes_the_text_if_somebody_reads_it() {
        let folder = scratch();
        let fifo = folder.path().join("fifo");
        node(&fifo, &["p"]);
        check_writable(&fifo, "the file").unwrap();
        assert!(replace_file(&fifo, b"nobody").is_err());
        let text = "x".repeat(200_000);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| fs::read_to_string(&fifo).unwrap());
            // The reader is in its `open` when the first try succeeds.
            while replace_file(&fifo, text.as_bytes()).is_err() {
                std::thread::yield_now();
            }
            assert_eq!(reader.join().unwrap(), text);
        });
        assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
    }
}
