//! Files that are read as a whole: requests, configurations and secrets.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::Context as _;

use crate::error::{Error, ExitCode};

/// The longest secret that is read from a file: more is another file than was meant.
const LONGEST_SECRET: u64 = 64 * 1024;

/// The longest file that is read as a whole. Nothing that it is for (a request, a configuration) is nearly as long.
const LONGEST_FILE: u64 = 64 * 1024 * 1024;

/// What editors on Windows write before a text in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads a secret from a file that only its owner can use, or from stdin for `-`. A line end after it does not count.
///
/// What is no regular file (`<(…)`, `/dev/stdin`) has no mode that says who can read it. Fails with code 16, and with
/// code 2 for something that holds no secret.
pub fn read_secret(path: &Path, what: &str) -> Result<String, Error> {
    let failed = |error: io::Error| Error::local(what, &error);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(LONGEST_SECRET + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(Error::new(ExitCode::Local, what, "is a folder, not a file"));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = metadata.permissions().mode() & 0o777;
            if metadata.is_file() && mode & 0o077 != 0 {
                let why = format!("permissions {mode:04o} are too open: others than its owner can use it");
                return Err(Error::new(ExitCode::Local, what, why).with_hint(format!("chmod 600 {}", quoted(path))));
            }
        }
        file.take(LONGEST_SECRET + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > LONGEST_SECRET {
        return Err(Error::usage(what, "is too large to be a secret"));
    }
    let text = String::from_utf8(bytes).map_err(|_| Error::usage(what, "is not valid UTF-8"))?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(Error::usage(what, "is empty"));
    }
    Ok(text.to_owned())
}

/// Reads a file, or stdin for `-`. Fails with code 16.
pub fn read_bytes(path: &Path, what: &str) -> Result<Vec<u8>, Error> {
    let read = if path == Path::new("-") { read_to_limit(io::stdin()) } else { read_whole(path) };
    Ok(read.with_context(|| format!("{what} {}", path.display()))?)
}

/// Reads a file that has an end: `/dev/zero` has none.
pub fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    File::open(path).and_then(read_to_limit)
}

fn read_to_limit(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(io::Error::other("is larger than 64 MiB"));
    }
    Ok(bytes)
}

/// Reads a text from a file, or from stdin for `-`. Fails with code 16, and with code 2 for what is not UTF-8.
pub fn read_text(path: &Path, what: &str) -> Result<String, Error> {
    let text = String::from_utf8(read_bytes(path, what)?)
        .map_err(|_| Error::usage(format!("{what} {}", path.display()), "not valid UTF-8"))?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).map(str::to_owned).unwrap_or(text))
}

/// A path as a shell reads it.
#[cfg(unix)]
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;
    use crate::files::write_private;

    #[test]
    fn a_secret_is_read_from_a_private_file_or_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        for (text, read) in
            [("key\n", "key"), ("key\r\n", "key"), ("key", "key"), ("a\nb\n\n", "a\nb\n"), ("\u{feff}key\r\n", "key")]
        {
            write_private(&file, "the key file", text.as_bytes()).unwrap();
            assert_eq!(read_secret(&file, "the key file").unwrap(), read);
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_secret(&file, "the key file").unwrap_err();
        assert!(error.hint().unwrap().starts_with("chmod 600 "), "{error}");
        let error = read_secret(folder.path(), "the key file").unwrap_err();
        assert_eq!(error.hint(), None);
        let fifo = folder.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| read_secret(&fifo, "the key file").unwrap());
            fs::write(&fifo, "key\n").unwrap();
            assert_eq!(reader.join().unwrap(), "key");
        });
        write_private(&file, "the key file", "\u{feff}\n".as_bytes()).unwrap();
        assert_eq!(read_text(&file, "request").unwrap(), "\n");
        assert_eq!(read_secret(&file, "the key file").unwrap_err().code(), ExitCode::Usage);
    }
}
