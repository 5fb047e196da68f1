//! A disk that is full. It is a small one of the test's own, in a name space of its own, where that is allowed.

use std::process::Command;

use cibridge_simulator::{ArtifactPlan, Simulator};

use super::{call, file, leaving, stored, with};
use crate::support::Done;

/// Mounts a disk of one megabyte as the folder `files`, runs the program, and lists what it left there on stdout.
const ON_A_SMALL_DISK: &str = r#"
for last in "$@"; do :; done
mkdir "$last" && mount -t tmpfs -o size=1m tmpfs "$last" || exit 99
if [ -n "$FILL" ]; then head -c "$FILL" /dev/zero > "$last/filler"; fi
"$@"
code=$?
find "$last" -type f -size +0 ! -name filler
exit $code
"#;

/// Whether a disk may be mounted here.
fn may_mount() -> bool {
    let script = "mount -t tmpfs -o size=1m tmpfs /mnt";
    let may = Command::new("unshare").args(["-rm", "sh", "-c", script]).output().is_ok_and(|o| o.status.success());
    if !may {
        println!("skipped: no disk may be mounted here");
    }
    may
}

/// Fetches onto the small disk, `fill` bytes of which are taken: one file after the other, so that it is known which one
/// finds no room.
fn fetch(sim: &Simulator, id: &str, fill: &str) -> Done {
    let script = format!("exec unshare -rm sh -c '{ON_A_SMALL_DISK}' sh \"$@\"");
    let path = std::env::var("PATH").unwrap_or_default();
    call(sim, id).env("PATH", &path).env("FILL", fill).env("CIBRIDGE_JOBS", "1").shell(&script).run()
}

#[test]
fn a_disk_that_is_too_small_is_refused_before_a_byte_comes() {
    if !may_mount() {
        return;
    }
    let (sim, id) = with(leaving([file("a.ipa", 600_000), file("b.ipa", 600_000)]));
    let done = fetch(&sim, &id, "");
    done.exit_code(16).stdout_is("").stderr_contains(
        "the disk is full: 1200000 bytes are needed, 1048576 are free, 151424 are missing\n\
         hint: free some space, or choose a folder on another disk\n",
    );
    assert_eq!(stored(&sim).len(), 0);

    let (sim, id) = with(leaving([file("Huge.ipa", 5_000_000_000)]));
    let done = fetch(&sim, &id, "");
    done.exit_code(16)
        .stdout_is("")
        .stderr_contains("5000000000 bytes are needed, 1048576 are free, 4998951424 are missing");
    assert_eq!(stored(&sim).len(), 0);
}

/// No size was stated, so that it shows only while the bytes come; what came is removed, and what is missing is told.
#[test]
fn a_disk_that_gets_full_leaves_nothing_half_written() {
    if !may_mount() {
        return;
    }
    let sizeless = |name, size| ArtifactPlan { no_size: true, ..file(name, size) };
    let (sim, id) = with(leaving([sizeless("Demo.ipa", 3_000_000)]));
    let done = fetch(&sim, &id, "500000");
    done.exit_code(16)
        .stdout_is("")
        .stderr_contains("the disk is full: ")
        .stderr_contains(" more bytes were needed for Demo.ipa\nhint: free some space");
    let told = done.stderr_text();
    let missing = told.split("the disk is full: ").nth(1).unwrap().split(' ').next().unwrap();
    let missing: u64 = missing.parse().unwrap();
    assert!((3_000_000 - 548_576..=3_000_000 - 400_000).contains(&missing), "{missing} of 3000000\n{done}");
    assert_eq!(stored(&sim).len(), 1, "another try would meet the same disk");
}

/// The first that finds no room ends the whole download; a file that is complete stays.
#[test]
fn the_other_files_are_not_tried_on_a_full_disk() {
    if !may_mount() {
        return;
    }
    let files = (0..6).map(|n| ArtifactPlan { no_size: true, ..file(&format!("f{n}.ipa"), 400_000) });
    let (sim, id) = with(leaving(files));
    let done = fetch(&sim, &id, "");
    done.exit_code(16).stderr_contains("the disk is full");
    assert_eq!(stored(&sim).len(), 3, "two that fit, and the one that does not\n{done}");
    let left: Vec<_> = done.stdout.lines().filter(|line| line.contains("/files/.")).collect();
    assert!(left.is_empty(), "half-written: {left:?}");
}
